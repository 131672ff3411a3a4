#!/bin/sh
# t/deps.sh PURPOSE… - installs what is missing for building, testing and so on
#
#	build	compile the programs		lint	make lint
#	test	make test, make demo, make run	bench	make bench
#	asan	make asan			fuzz	make fuzz
#	browser	make browser			powercut make powercut
#
# It looks for the header, command or library itself, however that was
# installed, and says nothing if all is there.  Otherwise it prints the command
# that it is going to run, of apt-get, dnf or apk, with sudo unless it is root.
# With DEPS=no, it only says what is missing.
set -eu

# PURPOSE  KIND  WHAT  and its package on Debian, Fedora and Alpine.
# a|b is one of the two; apache2-bin and httpd-core contain no system service.
# Debian's nginx, lighttpd and fcgiwrap do: see without_services.
needs='
build command cc                 gcc                  gcc                gcc
build command make               make                 make               make
build header  stdio.h            libc6-dev            glibc-devel        musl-dev
build header  db.h               libdb-dev            libdb-devel        db-dev
build header  json-c/json.h      libjson-c-dev        json-c-devel       json-c-dev
build header  fcgiapp.h          libfcgi-dev          fcgi-devel         fcgi-dev
build header  curl/curl.h        libcurl4-openssl-dev libcurl-devel      curl-dev
build header  nettle/hmac.h      nettle-dev           nettle-devel       nettle-dev
build header  unistr.h           libunistring-dev     libunistring-devel libunistring-dev
test  header  microhttpd.h       libmicrohttpd-dev    libmicrohttpd-devel libmicrohttpd-dev
test  header  pcre2.h            libpcre2-dev         pcre2-devel        pcre2-dev
test  command apache2|httpd      apache2-bin          httpd-core         apache2
test  command curl               curl                 curl               curl
test  command jq                 jq                   jq                 jq
test  command prove              perl                 perl-Test-Harness  perl-utils
test  command openssl            openssl              openssl            openssl
test  command strace             strace               strace             strace
test  command nginx              nginx                nginx              nginx
test  command lighttpd           lighttpd             lighttpd           lighttpd
test  command fcgiwrap           fcgiwrap             fcgiwrap           fcgiwrap
test  command spawn-fcgi         spawn-fcgi           spawn-fcgi         spawn-fcgi
test  module  fcgid              libapache2-mod-fcgid mod_fcgid          -
test  module  proxy_fcgi         apache2-bin          httpd-core         apache2-proxy
test  command pgrep              procps               procps-ng          procps
test  command systemd-analyze    systemd              systemd            -
test  command systemd-nspawn     systemd-container    systemd-container  -
asan  library libasan.so         gcc                  libasan            -
asan  library libubsan.so        gcc                  libubsan           -
lint  command clang              clang                clang              clang
lint  command clang-format       clang-format         clang-tools-extra  clang-extra-tools
lint  command cppcheck           cppcheck             cppcheck           cppcheck
browser command chromium|chromium-browser chromium   chromium           chromium
browser command chromedriver     chromium-driver      chromedriver       chromium-chromedriver
powercut command qemu-storage-daemon qemu-system-common qemu-img qemu-storage-daemon
powercut command qemu-storage-daemon qemu-utils - -
powercut command losetup         mount                util-linux           losetup
powercut command mkfs.ext4       e2fsprogs            e2fsprogs            e2fsprogs
powercut command mkfs.xfs        xfsprogs             xfsprogs             xfsprogs
powercut command mkfs.btrfs      btrfs-progs          btrfs-progs          btrfs-progs
bench command wrk                wrk                  wrk                wrk
bench library libc.a             libc6-dev            glibc-static       musl-dev
fuzz  command clang              clang                clang              clang
fuzz  runtime libclang_rt.fuzzer libclang-rt-dev      compiler-rt        compiler-rt
'

# Debian has servers in sbin, which is not in an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cc=${CC:-cc} # unquoted below, as it may be "ccache gcc"

# there KIND WHAT
there() {
	case $1 in
	command) command -v "${2%%|*}" || command -v "${2##*|}" ;;
	header) printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$2" |
		$cc -E - ;;
	# the compiler prints a bare name when it does not find the file
	library) [ -e "$($cc -print-file-name="$2")" ] ;;
	module) find /usr/lib/apache2 /usr/lib*/httpd -name "mod_$2.so" |
		grep . ;;
	runtime) ls "$(clang -print-resource-dir)"/lib/*/"$2"* ;;
	esac >/dev/null 2>&1
}

# The packages (column $1 of three) that are missing for the purposes.
missing() {
	echo "$needs" | while read -r purpose kind what deb rpm apk; do
		case " $purposes " in *" ${purpose:-none} "*) ;; *) continue ;; esac
		there "$kind" "$what" && continue
		case $1 in 1) echo "$deb" ;; 2) echo "$rpm" ;; 3) echo "$apk" ;; esac
	done | sort -u | grep -v '^-$' | tr '\n' ' ' || :
}

purposes=$*
for purpose; do
	echo "$needs" | grep -q "^$purpose " || {
		echo "usage: $0 build|test|asan|lint|bench|fuzz|powercut|browser ..." >&2
		exit 2
	}
done

[ -n "$(missing 1)" ] || exit 0

if [ "${DEPS:-}" = no ]; then
	echo "$0: missing, in Debian's names: $(missing 1)" >&2
	exit 0
fi

if command -v apt-get >/dev/null; then
	column=1 update='apt-get -q update'
	install='env DEBIAN_FRONTEND=noninteractive'
	install="$install apt-get -q -y --no-install-recommends install"
elif command -v dnf >/dev/null; then
	column=2 update=: install='dnf -q -y install'
elif command -v apk >/dev/null; then
	column=3 update=: install='apk add'
else
	echo "$0: none of apt-get, dnf and apk is here;" \
		"please install what Debian calls: $(missing 1)" >&2
	exit 1
fi

packages=$(missing $column)
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
	echo "$0: as root, please: ${install##* } $packages" >&2
	exit 1
fi

# without_services COMMAND [ARGUMENT…]: Debian starts a web server when it is
# installed, and at each boot.  The first a policy-rc.d can forbid, which belongs
# to whoever has one already; the second, systemctl takes back.
without_services() {
	[ $column = 1 ] || {
		$sudo "$@"
		return
	}
	# shellcheck disable=SC2016 # it is the inner shell that expands them
	$sudo sh -c '
		policy=/usr/sbin/policy-rc.d rc=0 units=
		[ -e $policy ] || {
			trap "rm -f $policy" EXIT
			trap "exit 1" HUP INT TERM
			cat >$policy <<-END
				#!/bin/sh
				case \$1 in
				nginx* | lighttpd* | fcgiwrap*) exit 101 ;;
				esac
			END
			chmod 755 $policy
		}
		"$@" || rc=$?
		for server in nginx lighttpd fcgiwrap; do
			case " $* " in *" $server "*) ;; *) continue ;; esac
			for unit in /lib/systemd/system/$server[.-]*; do
				units="$units ${unit##*/}"
			done
		done
		[ -z "$units" ] || systemctl --quiet disable $units
		exit $rc' sh "$@"
}

echo "Missing; DEPS=no leaves them alone.  Installing, by"
echo "	${sudo:+$sudo }$install $packages"
[ $column != 1 ] || echo "No service is started by that, now or at a boot."
# unquoted, as they are several words each
# shellcheck disable=SC2086
{
	$sudo $update
	without_services $install $packages
}

left=$(missing $column)
[ -z "$left" ] || {
	echo "$0: still missing after the installation: $left" >&2
	exit 1
}
