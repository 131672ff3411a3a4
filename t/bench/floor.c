/*
 * The floor of the benchmark: a CGI program that can't be any smaller.
 * Whatever it costs is the price of starting a process under this Apache.
 */
#include <unistd.h>

int
main(void)
{
	static const char reply[] = "Content-Type: text/plain\r\n\r\nok\n";

	return write(STDOUT_FILENO, reply, sizeof(reply) - 1) < 0;
}
