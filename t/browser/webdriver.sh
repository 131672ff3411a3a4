# shellcheck shell=sh
# t/browser/webdriver.sh - a browser without a window, told by WebDriver what to
# do (https://www.w3.org/TR/webdriver2/).  Read after lib.sh, whose clean_up()
# it extends.
#
# CSS stands for a selector, which may name one element or, for shown(), many.

driver_pid='' session=''

# start_browser: Chromium with a profile of its own in $tmp.  Its sandbox wants
# user namespaces or a setuid helper; all that it opens here is our own page.
start_browser() {
	mkdir "$tmp/home"
	: >"$tmp/driver.log"
	HOME=$tmp/home TMPDIR=$tmp/home setsid chromedriver --port=0 \
		>"$tmp/driver.log" 2>&1 </dev/null &
	driver_pid=$!
	wait_for driver_listens || die "chromedriver: $(cat "$tmp/driver.log")"
	driver=http://127.0.0.1:$driver_port/session
	session=$(webdriver POST '' '{"capabilities": {"alwaysMatch": {
		"goog:loggingPrefs": {"browser": "ALL"},
		"goog:chromeOptions": {"args": ["--headless", "--no-sandbox",
			"--disable-dev-shm-usage", "--window-size=1000,700",
			"--user-data-dir='"$tmp"'/home/profile"]}}}}' |
		jq -r .sessionId) || die "no browser: $(cat "$tmp/driver.log")"
	driver=$driver/$session
}
driver_listens() {
	driver_port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' \
		"$tmp/driver.log")
	[ -n "$driver_port" ]
}

stop_browser() {
	stop_browser_status=$?
	[ -z "$session" ] || webdriver DELETE '' >/dev/null
	[ -z "$driver_pid" ] || end "$driver_pid"
	driver_pid='' session=''
	wait_for no browser_runs
	return "$stop_browser_status"
}
# [-]: grep must not find its own argument
browser_runs() {
	cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
		grep -q -e "--user-data[-]dir=$tmp"
}
trap 'stop_browser; clean_up' EXIT

# webdriver METHOD PATH [JSON]: prints the answer's value, fails on an error
webdriver() {
	webdriver_method=$1 webdriver_path=$2
	shift 2
	curl -sS -m 120 -X "$webdriver_method" ${1:+-d "$1"} \
		"$driver$webdriver_path" >"$tmp/webdriver"
	jq -c '.value | if type == "object" and .error
		then error(.message) else . end' "$tmp/webdriver"
}

open_page() { webdriver POST /url "{\"url\": \"$1\"}" >/dev/null; }

# run_script JAVASCRIPT [STRING]: prints what it returns; arguments[0] is STRING
run_script() {
	webdriver POST /execute/sync "$(jq -cn --arg script "$1" \
		--arg argument "${2:-}" '{script: $script, args: [$argument]}')" |
		jq -r .
}

# on CSS ACTION [JSON]: an element's click, clear or value
on() {
	on_element=$(webdriver POST /element "$(jq -cn --arg css "$1" \
		'{using: "css selector", value: $css}')" | jq -er '.[]') || return 1
	webdriver POST "/element/$on_element/$2" "${3:-{\}}" >/dev/null
}
click() { on "$1" click; }
# type_into CSS TEXT: what was there before goes
type_into() {
	on "$1" clear && on "$1" value "$(jq -cn --arg text "$2" '{text: $text}')"
}

# shown CSS: the texts of those that can be seen, one a line
shown() {
	run_script 'return [...document.querySelectorAll(arguments[0])]
		.filter(e => e.offsetParent).map(e => e.innerText).join("\n")' "$1"
}
shows() { [ "$(shown "$1")" = "$2" ]; }
