#!/bin/sh
# t/lint.sh - every warning that clang has, cppcheck, and gcc -fanalyzer on
# every C file, and the dialect of .clang-format.  Prints what it finds and fails, or one line if all is clean.
set -u

flags='-std=c11 -D_GNU_SOURCE -Icommon -It -DDATA_DIR="/d" -DTEMPLATE_DIR="/t"
-DCONFIG_FILE="/c"'

# What we leave out of clang's -Weverything, and why:
#	padded			the compiler's business
#	declaration-after-statement, pre-c11-compat and the like	C11 it is
#	unsafe-buffer-usage	says that C has pointers
#	disabled-macro-expansion, reserved-*	in the system's headers' macros
#	vla, switch-default-like	opinions that contradict each other
off='padded declaration-after-statement unsafe-buffer-usage
disabled-macro-expansion reserved-macro-identifier reserved-identifier
switch-enum covered-switch-default cast-align documentation
documentation-unknown-command'
for name in $off; do
	off_flags="${off_flags:-} -Wno-$name"
done

product=$(ls common/*.c common/daemons/*.c cgi-bin/*.c)
others=$(find t -name '*.c' ! -path 't/fuzz/*')
status=0

# The stand-in has a dialect of its own, as yet.
format=$(git ls-files '*.c' '*.h' | grep -v '^t/hipchatd/')
# shellcheck disable=SC2086
clang-format --dry-run -Werror $format || status=1
# its comments are not reflowed
awk '{
	for (line = $0; (at = index(line, "\t")) > 0;)
		line = substr(line, 1, at - 1) \
			substr("        ", 1 + (at - 1) % 8) substr(line, at + 1)
	if (length(line) > 80) {
		print FILENAME ":" FNR ": longer than 80 columns"
		long = 1
	}
} END { exit long }' $format || status=1

for file in $product $others; do
	# shellcheck disable=SC2086
	clang $flags -Weverything -Werror -Wno-unknown-warning-option \
		$off_flags -fsyntax-only "$file" || status=1
done

# shellcheck disable=SC2086
cppcheck --std=c11 --quiet --error-exitcode=1 --inline-suppr \
	--enable=warning,performance,portability \
	--suppress=missingIncludeSystem --suppress=checkersReport \
	-Icommon -It -D_GNU_SOURCE '-DDATA_DIR="/d"' '-DTEMPLATE_DIR="/t"' \
	'-DCONFIG_FILE="/c"' \
	$product $others || status=1

# gcc 12 believes that what is put into a linked list is leaked; the leak
# checker of make asan knows better.
for file in $product; do
	# shellcheck disable=SC2086
	gcc $flags -O1 -Wall -Wextra -Werror -fanalyzer \
		-Wno-analyzer-malloc-leak -c -o /dev/null "$file" || status=1
done

[ "$status" = 0 ] && echo "lint: clean"
exit "$status"
