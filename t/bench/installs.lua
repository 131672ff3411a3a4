-- wrk script: installations, or their removals, each of another one.
-- Arguments: "install" SINK RUN, where ids of different runs differ; or
-- "remove" SINK FIRST, where the installations are fill.c's from this one on.
-- Either prints as its last line the number after the last.

local threads = {}

function setup(thread)
	thread:set("number", #threads)
	table.insert(threads, thread)
end

function init(args)
	action, sink, first = args[1], args[2], args[3]
	count = 0
end

local function install(n)
	return wrk.format("POST", nil, { ["Content-Type"] = "application/json" },
		string.format('{"oauthId":"%s-%d","oauthSecret":"secret",' ..
		'"capabilitiesUrl":"%s/capabilities","groupId":1}',
		first, n, sink))
end

local function remove(n)
	return wrk.format("GET", string.format(
		"%s?redirect_url=%s&installable_url=%s/installable/fill-%06d",
		wrk.path, sink, sink, first + n))
end

-- wrk has two threads
function request()
	local n = count * 2 + number

	count = count + 1
	return action == "install" and install(n) or remove(n)
end

function done(summary, latency, requests)
	local last = 0

	for i, thread in ipairs(threads) do
		last = math.max(last, thread:get("count") * 2)
	end
	print("used", last)
end
