/*
 * echo: the whole program; the input is described in program.h.
 */
int program_main(void);
#define main program_main
#include "../../cgi-bin/echo.c"
#undef main

#include "program.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return program_run(program_main, data, size, "");
}
