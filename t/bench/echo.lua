-- wrk script: POST webhooks, one after the other.
-- Arguments: files as spend.c reads them; the first line is the Authorization
-- header, the rest the body, in which sixteen zeros make way for a number of
-- this script's own: no message id comes twice, or else the add-on would
-- rightly drop the message.

local threads = 0

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

function init(args)
	-- the table's address differs from run to run
	start = os.time() .. tostring({}):match("0x(%x+)") .. number
	count = 0
	requests = {}
	for i, name in ipairs(args) do
		local file = assert(io.open(name))
		local header, before, after = file:read("*a")
			:match("^([^\n]*)\n(.*)0000000000000000(.*)$")
		file:close()
		requests[i] = { before = before, after = after, headers = {
			["Authorization"] = header,
			["Content-Type"] = "application/json",
		} }
	end
end

function request()
	count = count + 1
	local r = requests[count % #requests + 1]
	return wrk.format("POST", nil, r.headers,
		r.before .. start .. "-" .. count .. r.after)
end
