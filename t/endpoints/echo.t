#!/bin/sh
# What is said to /echo, and what it answers.
. t/lib/lib.sh

dialogue <<'END'
< /echo hello
> hello
< /EcHo   with    blanks
> with    blanks
< /echo
> Usage: /echo message
< /echoes are another command
< not /echo
END
done_testing
