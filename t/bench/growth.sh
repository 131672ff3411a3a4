#!/bin/sh
# t/bench/growth.sh - what a webhook, an installation and a removal take when
# few or many installations are stored, as ratios to what they take with one
#
# A private Apache serves the add-on as CGI programs and by mod_proxy_fcgi, once
# for each store, and HipChat is a sink (sink.c).  Requests come one at a time,
# and in turn to each store (turns.c); the median counts.  The stores are an
# older version's, which the first installation takes over.
#
#	TURNS=300 SIZES='1 10000 100000' t/bench/growth.sh
. t/lib/lib.sh
. t/bench/tools.sh
turns=${TURNS:-300} sizes=${SIZES:-1 10000 100000}

programs='echo installed uninstalled'

# For start_apache: an add-on for each store
addons() {
	for size in $sizes; do
		cat <<-END
			ScriptAliasMatch "^/cgi/$size/(.*)" "$tmp/cgi-bin/\$1"
			<Location "/cgi/$size/">
				SetEnv HIPCHAT_DATA_DIR "$apart/$size"
			</Location>
		END
		for program in $programs; do
			fastcgi_addon "$size" "$program"
		done
	done
}

fastcgi_addon() {
	cat <<-END
		Alias "/fastcgi/$1/$2" "$tmp/cgi-bin/$2"
		<Location "/fastcgi/$1/$2">
			SetEnv HIPCHAT_DATA_DIR "$apart/$1"
			SetHandler "proxy:unix:$tmp/$1.$2|fcgi://localhost"
		</Location>
	END
}

# ask HOW TURNS: to $tmp/HOW, for each store its size and what each takes in ms
ask() {
	"$B/t/bench/turns" "$2" "$sink_url" "$ADDON/$1" $sizes >"$tmp/$1" ||
		die "Apache's error log ends:
$(tail -n 5 "$tmp/apache/error_log")"
}

# ---- set up -----------------------------------------------------------------

data_apart
start_sink sink
HIPCHAT=$sink_url
for size in $sizes; do
	mkdir -m 700 "$apart/$size"
	"$B/t/bench/fill" "$apart/$size" "$size" "$sink_url"
done
find_apache
{
	echo "MaxKeepAliveRequests 0"
	echo "LoadModule proxy_module $apache_modules/mod_proxy.so"
	echo "LoadModule proxy_fcgi_module $apache_modules/mod_proxy_fcgi.so"
	addons
} >"$tmp/extra.conf"
start_apache event HIPCHAT_WEBHOOK_AUTH=none
[ -z "${apache_user:-}" ] || chown -R "$apache_user" "$apart"
for size in $sizes; do
	for program in $programs; do
		start_fastcgi "$program" "$tmp/$size.$program" 1
	done
done

# ---- measure ----------------------------------------------------------------

for how in cgi fastcgi; do
	ask "$how" 8
	progress "$how: $turns turns"
	ask "$how" "$turns"
done
progress

# ---- report -----------------------------------------------------------------

# rows HOW COLUMN TITLE: for each store, ms and the ratio to the first
rows() {
	awk -v column="$2" -v title="$3" '
		NR == 1 { one = $column }
		{
			ratio = $column / one
			printf "%-26s%10d%10.2f%9.2f%s\n", title, $1, $column,
				ratio, NR == 1 ? "" : ratio <= 1.1 ? "  1.1" : "  1.1 !"
		}' "$tmp/$1"
}

cat <<END

one at a time, median of $turns         stored        ms    ratio  target
END
for how in cgi fastcgi; do
	rows $how 2 "$how: POST /echo"
	rows $how 3 "$how: an installation"
	rows $how 4 "$how: a removal"
done
