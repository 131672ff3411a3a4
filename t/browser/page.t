#!/bin/sh
# The stand-in's web page in a real browser: what a person sees and does there,
# with the add-on behind a real Apache.
. t/lib/lib.sh
. t/lib/courier.sh
. t/browser/webdriver.sh

start_hipchatd
start_apache
start_browser

# install_by_hand: as a person does, in the room that is open
install_by_hand() {
	type_into '#descriptor-url' "$ADDON/capabilities"
	click '#install'
	wait_for shows '#addons strong' "$addon_name"
}
say_by_hand() { type_into '#message' "$1" && click '#send'; }
answers='#conversation li[data-type=notification] p'
addon_name=$(curl -sS "$ADDON/capabilities" | jq -r .name)

empty() {
	ok 'the page opens' open_page "$HIPCHAT/"
	is "$(run_script 'return document.title')" HipChat 'its title'
	ok 'without a room' wait_for shows '#title' 'No room yet'
	is "$(run_script 'return $("send").disabled && $("install").disabled')" \
		true 'nobody can say anything, nor install'
}

rooms() {
	type_into '#room-name' Lair
	click '#create-room'
	ok 'a room is created, and entered' wait_for shows '#title' Lair
	type_into '#room-name' '<i>Den</i>'
	click '#create-room'
	ok 'another; its name is text' wait_for shows '#title' '<i>Den</i>'
	is "$(shown '#rooms button')" "Lair
<i>Den</i>" 'both are listed'
	click '#rooms li:first-child button'
	ok 'one can go back' wait_for shows '#title' Lair
	is "$(shown '#rooms [aria-current=true]')" Lair 'and sees where one is'
	webdriver POST /refresh '{}' >"$tmp/answer"
	ok 'a reload stays in the room' wait_for shows '#title' Lair
}

install() {
	type_into '#descriptor-url' "$ADDON/nowhere"
	click '#install'
	ok 'a descriptor that is not there: says so' \
		wait_for shows_some '#status' 404
	is "$(shown '#addons strong')" '' '... and nothing is installed'
	ok 'installed from its descriptor' install_by_hand
	ok '... and in working order' wait_for no shows_some '#addons small' being
	is "$(shown '#status')" '' '... the complaint is gone'
}
shows_some() { shown "$1" | grep -qF -e "$2"; }

talk() {
	ok 'something is said' say_by_hand '/echo hello world'
	ok 'the add-on answers' wait_for shows "$answers" 'hello world'
	is "$(shown '#conversation li.person strong')" 'Ada Lovelace' \
		'who has said it'
	is "$(run_script 'return $("message").value')" '' \
		'there is room for more'
	type_into '#from' 'Charles Babbage'
	type_into '#message' 'no command'
	ok 'the enter key sends, too' on '#message' value '{"text": "\uE007"}'
	ok '... in the new name' wait_for shows '#conversation li.person strong' \
		"Ada Lovelace
Charles Babbage"
	say_by_hand '/echo <img src=x onerror=alert(1)> & "so"'
	ok 'markup is text' wait_for shows "$answers" 'hello world
<img src=x onerror=alert(1)> & "so"'
	is "$(run_script 'return document.images.length')" 0 '... only'

	room=$(run_script 'return location.hash.slice(1)')
	control POST "rooms/$room/say" '{"message": "/echo from elsewhere"}' \
		>"$tmp/answer"
	ok 'what others say appears by itself' wait_for shows_some "$answers" \
		'from elsewhere'
	control POST "rooms/$room/say" '{"message": "\ud83d\ude00 grüße"}' \
		>"$tmp/answer"
	ok '... whatever the script' wait_for shows_some \
		'#conversation li.person p' '😀 grüße'
}

# A HipChat add-on's card, sent as one: with the token of the installation.
card() {
	id=$(control GET installations | jq -r '.[0].oauth_id')
	secret=$(control GET installations | jq -r '.[0].oauth_secret')
	token=$(curl -sS -u "$id:$secret" "$HIPCHAT/v2/oauth/token" \
		-d 'grant_type=client_credentials&scope=send_notification' |
		jq -r .access_token)
	curl -sS -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' -d '{"color": "green",
		"message": "instead of the card", "message_format": "text",
		"card": {"style": "application", "id": "c1", "title": "Build 7",
			"url": "https://example.com/7",
			"description": {"format": "html", "value": "All <b>well</b>"},
			"attributes": [{"label": "Tests",
				"value": {"label": "passed", "style": "lozenge-success"}}]}}' \
		"$HIPCHAT/v2/room/$room/notification" >"$tmp/answer"
	ok 'a card: its title' wait_for shows '.card strong' 'Build 7'
	is "$(run_script 'return document.querySelector(".card a").href')" \
		https://example.com/7 'a card: is a link'
	is "$(shown '.card p')" 'All well' 'a card: its description'
	is "$(shown '.card dt') $(shown '.card .lozenge-success')" \
		'Tests passed' 'a card: its attributes'
}

ill() {
	control POST installations/"$id"/revoke-tokens
	chmod 777 "$tmp/data"
	say_by_hand '/echo unheard'
	ok 'an add-on that is ill: the page says so' \
		wait_for shows_some '#status' 500
	chmod 700 "$tmp/data"
	say_by_hand '/echo well again'
	ok '... until it is well' wait_for shows '#status' ''
	ok '... and answers' wait_for shows_some "$answers" 'well again'
}

removal() {
	for form in B A C; do
		run_script 'document.querySelector("#addons select").value =
			arguments[0]' $form >"$tmp/answer"
		click '#addons .remove'
		ok "removed by form $form" wait_for shows '#addons li' ''
		is "$(shown '#status')" '' '... without a complaint'
		[ $form = C ] || ok '... and installed again' install_by_hand
		[ $form = C ] || wait_for no shows_some '#addons small' being
	done
	said=$(shown "$answers")
	say_by_hand '/echo anybody there'
	ok 'after that, what is said' wait_for shows_some \
		'#conversation li.person p' 'anybody there'
	is "$(shown "$answers")" "$said" '... is answered by nobody'
}

narrow() {
	webdriver POST /window/rect '{"width": 500, "height": 800}' >"$tmp/answer"
	is "$(run_script 'return document.documentElement.scrollWidth <=
		window.innerWidth')" true 'it fits a narrow window'
}

empty
rooms
install
talk
card
ill
removal
narrow
# The one complaint that is expected is of what we asked for in vain.
is "$(webdriver POST /se/log '{"type": "browser"}' | jq -r '.[].message' |
	grep -v '/control/install .* status of [45]')" '' \
	'the browser has nothing to complain of'
stop_browser
ok 'no browser is left' no browser_runs
done_testing
