#include "agent/PreStart.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/Split.h"
#include "io/LineReader.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** More than the longest time of the helper for one URL. Health checks wait so long for all. */
constexpr std::chrono::minutes LONGEST{10};
constexpr std::chrono::seconds END_LIMIT{1};
constexpr int FIRST_ERROR = 500;

PreStartHelper helperFor(const AgentSettings &settings, std::set<std::string> urls) {
    return {settings.rubyCommand, settings.preStartScript(), settings.agentProgram(),
            settings.defaultUser, settings.seccomp,          std::move(urls)};
}

}  // namespace

PreStart::PreStart(std::function<void()> ended) : ended_(std::move(ended)) {}

void PreStart::ask(const AgentSettings &settings, bool forget) {
    thread_.end();
    std::set<std::string> wanted;
    std::set<std::string> still;
    for (const std::string &url : split(settings.preStart, '\n')) {
        (!forget && up_.contains(url) ? still : wanted).insert(url);
    }
    up_ = std::move(still);
    if (!wanted.empty()) {
        thread_.start("pre-start", [this, helper = helperFor(settings, wanted)](const FileDescriptor &ending) {
            run(helper, ending);
        });
    } else {
        ended_();
    }
}

void PreStart::run(PreStartHelper start, const FileDescriptor &ending) {
    try {
        DescriptorPair output = makePipe();
        start.output = output.second.get();
        HelperProcess helper = Rights::ofThisProcess().start(start);
        output.second.reset();
        if (!follow(output.first, ending, std::move(start.urls), LONGEST)) {
            // The helper's destructor kills it.
            return;
        }
        helper.wait(END_LIMIT);
    } catch (const std::exception &error) {
        Log::error("event=pre_start.failed error=\"{}\"", error.what());
    }
    ended_();
}

bool PreStart::follow(const FileDescriptor &output, const FileDescriptor &ending, std::set<std::string> urls,
                      std::chrono::milliseconds longest) {
    const auto giveUp = [&urls](const char *why) {
        for (const std::string &url : urls) {
            Log::warn("event=pre_start.failed url=\"{}\" error=\"{}\" next=\"at the next reload\"", url, why);
        }
        return true;
    };
    LineReader lines;
    const auto most = deadlineIn(longest);
    auto deadline = most;
    bool tookLong = false;
    std::array<char, 4096> buffer;
    for (;;) {
        std::array<pollfd, 2> entries{{{output.get(), POLLIN, 0}, {ending.get(), POLLIN, 0}}};
        if (!tookLong && millisecondsUntil(most) == 0) {
            tookLong = true;
            ended_();
        }
        const int left = millisecondsUntil(tookLong ? deadline : most);
        if (left == 0) {
            return giveUp("the pre-start helper has told nothing for long");
        }
        if (::poll(entries.data(), entries.size(), left) <= 0) {
            continue;
        }
        if (entries[1].revents != 0) {
            return false;
        }
        const ssize_t size = ::read(output.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return giveUp("the pre-start helper has ended before");
        }
        deadline = deadlineIn(longest);
        lines.feed(std::string_view(buffer.data(), static_cast<std::size_t>(size)),
                   [&](std::string_view line) { urls.erase(take(line)); });
    }
}

/** @return the URL that the line is of */
std::string PreStart::take(std::string_view line) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) {
        Log::warn("event=pre_start.failed error=\"{}\"", line);
        return "";
    }
    int status = 0;
    std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), status);
    if (fields[0] == "done" && status < FIRST_ERROR) {
        up_.insert(fields[1]);
        Log::notice("event=pre_start.done url=\"{}\" status={} ms={}", fields[1], status, fields[3]);
    } else if (fields[0] == "done") {
        Log::warn("event=pre_start.failed url=\"{}\" status={} ms={} next=\"at the next reload\"", fields[1], status,
                  fields[3]);
    } else {
        Log::warn("event=pre_start.failed url=\"{}\" error=\"{}\" ms={} next=\"at the next reload\"", fields[1],
                  fields[2], fields[3]);
    }
    return fields[1];
}

}  // namespace Passenger
