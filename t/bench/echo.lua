-- wrk script: POST /echo, one webhook after the other.
-- Arguments: oauth id, room id, and the token to sign with, if any.  No
-- message id comes twice, or else the add-on would rightly drop the message.

local threads = 0

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

function init(args)
	-- the table's address differs from run to run
	start = os.time() .. tostring({}):match("0x(%x+)") .. number
	count = 0
	before = '{"event":"room_message","item":{"message":{'
		.. '"date":"2016-05-26T15:32:43.700609+00:00",'
		.. '"from":{"id":351107,"mention_name":"Ada","name":"Ada"},'
		.. '"id":"'
	after = '","mentions":[],"message":"/echo hello world",'
		.. '"type":"message"},"room":{"id":' .. args[2]
		.. ',"name":"Bench","privacy":"public"}},'
		.. '"oauth_client_id":"' .. args[1] .. '","webhook_id":4965523}'
	headers = { ["Content-Type"] = "application/json" }
	if args[3] then
		headers["Authorization"] = "JWT " .. args[3]
	end
end

function request()
	count = count + 1
	return wrk.format("POST", nil, headers,
		before .. start .. "-" .. count .. after)
end
