#!/bin/sh
# HipChat by https, with a certificate of a private authority: installing and
# delivering with HIPCHAT_CA_FILE, and not without; HTTP/2, and one connection
# for many messages.
#
# An Apache with mod_ssl and mod_http2 is in front of the stand-in.  Without
# mod_http2, or with HTTP2=no, the stand-in itself speaks TLS.
. t/lib/lib.sh
. t/lib/courier.sh

# authority NAME: NAME.pem signs; server: signed by it, for 127.0.0.1
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-nodes -days 2 -subj "/CN=$1" -keyout "$tmp/$1.key" \
		-out "$tmp/$1.pem" 2>"$tmp/openssl" || die "$(cat "$tmp/openssl")"
}
server() {
	echo 'subjectAltName = IP:127.0.0.1' >"$tmp/server.ext"
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-subj /CN=hipchat -keyout "$tmp/server.key" \
		-out "$tmp/server.csr" 2>"$tmp/openssl" &&
		openssl x509 -req -in "$tmp/server.csr" -CA "$tmp/ca.pem" \
			-CAkey "$tmp/ca.key" -CAcreateserial -days 2 \
			-extfile "$tmp/server.ext" -out "$tmp/server.pem" \
			2>"$tmp/openssl" || die "$(cat "$tmp/openssl")"
}

# front: the virtual host in front of the stand-in
front() {
	for module in ssl http2 proxy proxy_http; do
		cat <<-END
			<IfModule !${module}_module>
			LoadModule ${module}_module "$apache_modules/mod_$module.so"
			</IfModule>
		END
	done
	cat <<-END
		Listen 127.0.0.1:$port
		SSLSessionCache none
		LogFormat "%H %{remote}p %>s %U" tls
		<VirtualHost 127.0.0.1:$port>
			ServerName 127.0.0.1
			SSLEngine on
			SSLCertificateFile "$tmp/server.pem"
			SSLCertificateKeyFile "$tmp/server.key"
			Protocols h2 http/1.1
			CustomLog "$tmp/tls_log" tls
			ProxyPass / "$1/"
		</VirtualHost>
	END
}

# tls_log: "PROTOCOL PORT" of each notification that Apache has passed on.  It
# writes the log after the answer, so wait for as many lines as there were
# calls.
tls_log() {
	sed -n "s|^\([^ ]* [0-9]*\) [0-9]* .*/room/$room/notification\$|\1|p" \
		"$tmp/tls_log"
}
logged() { [ "$(tls_log | wc -l)" -ge "$1" ]; }

start() {
	start_apache event HIPCHAT_ALLOWED_HOSTS="$origin" \
		HIPCHAT_CA_FILE="$tmp/ca.pem"
}

authority ca
authority other
server
find_apache
if [ "${HTTP2:-}" != no ] && [ -e "$apache_modules/mod_http2.so" ]; then
	http2=yes
	port=$(free_port)
	origin=https://127.0.0.1:$port
	start_hipchatd --url "$origin"
	front "$HIPCHAT" >"$tmp/extra.conf"
else
	http2=
	export CURL_CA_BUNDLE="$tmp/ca.pem" # for control()
	start_hipchatd --tls-cert "$tmp/server.pem" --tls-key "$tmp/server.key"
	origin=$HIPCHAT
fi
start

room=$(new_room Vault)
id=$(install "$room") || die "not installed: $(cat "$tmp/answer" \
	"$tmp/apache/error_log")"
like "$id" '^[0-9a-f-]{36}$' 'installed by https'
trust="HIPCHAT_ALLOWED_HOSTS=$origin HIPCHAT_CA_FILE"
settings=$trust=$tmp/ca.pem
keep "$id"

fresh many
texts=$(for n in 1 2 3 4 5 6 7 8 9 10; do echo "tls$n"; done)
# shellcheck disable=SC2086 # one word a text
queue "$id" "$room" $texts
courier
is "$rc $(queued) $(failed)" '0 0 0' 'delivered by https'
# shellcheck disable=SC2086,SC2116
is "$(said "$room" tls)" "$(echo $texts)" 'every message once, and in order'
if [ -n "$http2" ]; then
	wait_for logged 10
	is "$(tls_log | cut -d ' ' -f 1 | uniq -c | tr -s ' ')" ' 10 HTTP/2.0' \
		'by HTTP/2'
	is "$(tls_log | sort -u | wc -l | tr -d ' ')" 1 \
		'over one connection' || diag "$(tls_log)"
else
	like "$(cat "$box/courier.log")" delivered 'by HTTP/1.1'
fi

# untrusted NAME: nothing is sent, the message waits, and the log says why
untrusted() {
	fresh "$1"
	queue "$id" "$room" "$1-1"
	courier --once
	is "$rc $(queued) $(failed)" '0 1 0' "$1: the message waits"
	is "$(calls "$room") $(tokens)" '0 0' "$1: HipChat is not asked"
	like "$(cat "$box/courier.log")" \
		': deferred for .*: no answer: .*certificate' \
		"$1: the log says why"
	like "$(state ".[\"$id\"].lastError")" '^"no answer: .*certificate' \
		"$1: and so does the status"
	# shellcheck disable=SC2086 # one word a setting
	cgi installed POST HIPCHAT_DATA_DIR="$box" $settings <"$tmp/credentials"
	is "$status" 502 "$1: nor can anybody install"
	like "$(cat "$tmp/stderr")" '^installed: https.*certificate' \
		"$1: which is logged"
}
settings=HIPCHAT_ALLOWED_HOSTS=$origin
untrusted system
settings=$trust=$tmp/other.pem
untrusted another

# A missing file does not mean that anybody is trusted.
settings=$trust=$tmp/ca.pem
fresh missing
queue "$id" "$room" missing1
settings=$trust=$tmp/nowhere.pem
courier --once
is "$(queued) $(calls "$room")" '1 0' 'no CA file: the message waits'
like "$(cat "$tmp/stderr" "$box/courier.log" 2>/dev/null)" \
	"HIPCHAT_CA_FILE|$tmp/nowhere.pem" 'no CA file: which is logged'

# The certificate is for another name.
settings=$trust=$tmp/ca.pem
fresh name
jq --arg url "https://localhost:${origin##*:}/v2/capabilities" \
	'.oauthId = "another" | .capabilitiesUrl = $url' "$tmp/credentials" \
	>"$tmp/localhost"
cgi installed POST HIPCHAT_DATA_DIR="$box" HIPCHAT_CA_FILE="$tmp/ca.pem" \
	HIPCHAT_ALLOWED_HOSTS="https://localhost:${origin##*:}" <"$tmp/localhost"
is "$status" 502 'a certificate for another name'
like "$(cat "$tmp/stderr")" '^installed: https://localhost.* name ' \
	'a certificate for another name: logged'

# HipChat is down, and comes back.
if [ -n "$http2" ]; then
	fresh refused
	stop_apache
	queue "$id" "$room" refused1 refused2
	courier --once
	is "$rc $(queued)" '0 2' 'connection refused: the messages wait'
	like "$(state ".[\"$id\"].lastError")" "^\"no answer: .*[Cc]ould *n.t connect" \
		'connection refused: the status says so'
	# too old, by the dozen, without a call for each
	settings="$settings HIPCHAT_MESSAGE_TTL=2"
	courier
	settings=$trust=$tmp/ca.pem
	is "$rc $(queued) $(failed)" '0 0 2' 'down for long: all are given up'
	like "$(reason refused2)" '^no answer: ' 'down for long: and say why'
	is "$(grep -c ": [^ ]*${origin#https://}: deferred" \
		"$box/courier.log" | sed 's/^[1-5]$/few/')" few \
		'down for long: one call now and then is for all'
	settings="$settings HIPCHAT_COURIER=$no_courier"
	courier --retry all
	settings=$trust=$tmp/ca.pem
	is "$(cat "$tmp/out")" '2 messages queued again' \
		'down for long: an operator gives them another chance'
	start
	courier
	is "$rc $(queued) $(said "$room" refused)" '0 0 refused1 refused2' \
		'up again: they are delivered'
fi
quiet "$tmp/hipchatd.log" "the stand-in's log"
done_testing
