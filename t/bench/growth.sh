#!/bin/sh
# t/bench/growth.sh - what a webhook, an installation and a removal take when
# few or many installations are stored, as ratios to what they take with one
#
# A private Apache serves the add-on as CGI programs and by mod_proxy_fcgi, once
# for each store, and HipChat is a sink (sink.c).  Requests come one at a time,
# and in turn to each store (turns.c); the median counts.
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
