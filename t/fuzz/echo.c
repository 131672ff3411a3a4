/*
 * echo: the whole program; the input is described in endpoint.h.
 */
int endpoint_main(void);
#define main endpoint_main
#include "../../cgi-bin/echo.c"
#undef main

#include "endpoint.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return endpoint_run(endpoint_main, data, size, "");
}
