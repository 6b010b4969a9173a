#include "agent/EventCommand.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <exception>
#include <utility>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/Poll.h"
#include "io/LineReader.h"
#include "log/Log.h"
#include "log/LogFields.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds LOOK_INTERVAL{10};
/** The command is killed by timeout(1) before. */
constexpr std::chrono::seconds LONGEST = EventCommandStart::LONGEST + std::chrono::seconds(5);
/** Bytes of one variable. */
constexpr std::size_t LONGEST_VALUE = 4096;
/** Lines of its output that are in the log. */
constexpr unsigned MOST_LINES = 100;

bool isEnding(const FileDescriptor &ending) {
    return pollUntil(ending.get(), POLLIN, std::chrono::steady_clock::now());
}

std::string variable(std::string name, std::string value) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char character) { return static_cast<char>(std::toupper(character)); });
    value.resize(std::min(value.size(), LONGEST_VALUE));
    std::replace(value.begin(), value.end(), '\0', '?');
    return EventCommandStart::PREFIX + name + "=" + value;
}

/** Writes the command's lines to the log. */
class Output {
public:
    Output(FileDescriptor pipe, pid_t pid) : pipe_(std::move(pipe)), pid_(pid) {}

    /** Negative after the end. */
    int descriptor() const noexcept { return pipe_.get(); }
    /** Reads once. Waits if there is nothing to read. */
    void read() {
        std::array<char, 65536> buffer;
        const ssize_t size = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (size > 0) {
            lines_.feed({buffer.data(), static_cast<std::size_t>(size)}, [this](std::string_view line) { log(line); });
        } else if (size == 0 || errno != EINTR) {
            pipe_.reset();
        }
    }
    void finish() {
        lines_.finish([this](std::string_view line) { log(line); });
    }

private:
    void log(std::string_view line) {
        if (++count_ <= MOST_LINES) {
            Log::notice("event=event_command.output pid={} text=\"{}\"", pid_, line);
        }
    }

    FileDescriptor pipe_;
    const pid_t pid_;
    LineReader lines_;
    unsigned count_ = 0;
};

/** Waits until the command has ended, or until it has had its time. @return false: `ending` is
 *  readable */
bool follow(Output &output, const HelperProcess &helper, const FileDescriptor &ending) {
    const auto deadline = deadlineIn(LONGEST);
    // What the command has started in the background may keep the pipe open.
    for (bool ended = false; !ended;) {
        std::array<pollfd, 3> entries{
            {{output.descriptor(), POLLIN, 0}, {helper.pidFd().get(), POLLIN, 0}, {ending.get(), POLLIN, 0}}};
        const int left = millisecondsUntil(deadline);
        if (left == 0) {
            break;
        }
        if (::poll(entries.data(), entries.size(), left) <= 0) {
            continue;
        }
        if (entries[0].revents != 0) {
            output.read();
        }
        if (entries[2].revents != 0) {
            return false;
        }
        ended = entries[1].revents != 0;
    }
    output.finish();
    return true;
}

}  // namespace

EventCommand::EventCommand(std::function<Refusals()> refusals)
    : refusals_(std::move(refusals)), inbox_(std::make_shared<EventInbox>()) {}

EventCommand::~EventCommand() {
    Log::setListener(nullptr);
    thread_.end();
}

void EventCommand::use(const AgentSettings &settings) {
    {
        const LockGuard guard(mutex_);
        settings_ = settings;
    }
    const bool wanted = !settings.onEvent.empty();
    if (wanted == running_) {
        return;
    }
    if (!wanted) {
        running_ = false;
        Log::setListener(nullptr);
        thread_.end();
        return;
    }
    thread_.start("on event", [this](const FileDescriptor &ending) { work(ending); });
    running_ = true;
    Log::setListener(std::make_shared<Log::Listener>(
        [inbox = inbox_](std::string_view line) { inbox->note(line, std::chrono::steady_clock::now()); }));
}

std::vector<std::string> EventCommand::variablesOf(std::string_view line) {
    auto variables = listOf(LogFields::parse(line).fields,
                            [](const LogFields::Field &field) { return variable(field.key, field.value); });
    variables.push_back(variable("text", std::string(line)));
    return variables;
}

void EventCommand::work(const FileDescriptor &ending) {
    seen_ = refusals_();
    seenAt_ = std::chrono::steady_clock::now();
    auto nextLook = deadlineIn(LOOK_INTERVAL);
    while (!isEnding(ending)) {
        if (const auto line = inbox_->take()) {
            run(*line, ending);
        } else {
            std::array<pollfd, 2> entries{{{inbox_->arrivals().get(), POLLIN, 0}, {ending.get(), POLLIN, 0}}};
            ::poll(entries.data(), entries.size(), millisecondsUntil(nextLook));
        }
        if (std::chrono::steady_clock::now() >= nextLook) {
            lookAtQueues();
            nextLook = deadlineIn(LOOK_INTERVAL);
        }
    }
}

void EventCommand::lookAtQueues() {
    Refusals now = refusals_();
    // More than the interval after a command that took long.
    const auto seconds = std::chrono::round<std::chrono::seconds>(std::chrono::steady_clock::now() - seenAt_).count();
    seenAt_ = std::chrono::steady_clock::now();
    for (const auto &[app, count] : now) {
        const auto before = seen_.find(app);
        // An application that was forgotten begins at 0 again.
        const std::uint64_t counted = before != seen_.end() && before->second <= count ? before->second : 0;
        if (count > counted) {
            Log::warn("event=queue.full app=\"{}\" refused={} seconds={}", app, count - counted, seconds);
        }
    }
    seen_ = std::move(now);
}

void EventCommand::run(const std::string &line, const FileDescriptor &ending) {
    if (const std::size_t dropped = inbox_->takeDropped(); dropped > 0) {
        Log::warn("event=event_command.dropped events={} reason=\"the commands before it took too long\"", dropped);
    }
    try {
        EventCommandStart start = startFor(line);
        DescriptorPair pipe = makePipe();
        const auto begin = std::chrono::steady_clock::now();
        start.output = pipe.second.get();
        HelperProcess helper = Rights::ofThisProcess().start(start);
        pipe.second.reset();
        const LogFields parts = LogFields::parse(line);
        const LogFields::Field *const app = parts.find("app");
        Log::notice("event=event_command.started app=\"{}\" pid={} trigger={}", app != nullptr ? app->value : "",
                    helper.pid(), parts.fields.front().value);
        Output output(std::move(pipe.first), helper.pid());
        if (follow(output, helper, ending)) {
            const int status = helper.wait(milliseconds(0)).value_or(0);
            const bool late = std::chrono::steady_clock::now() - begin >= EventCommandStart::LONGEST;
            // Nobody but its parent learns the status of a command that the rights process started.
            if (late || (status != 0 && status != UNKNOWN_WAIT_STATUS)) {
                Log::warn("event=event_command.failed pid={} error=\"{}\" directive=PassengerOnEvent", helper.pid(),
                          late ? "it took too long, and was killed" : describeWaitStatus(status));
            }
        } else {
            // timeout(1) passes this signal on, and still kills the command when its time is over.
            Rights::ofThisProcess().signal(helper.pidFd(), SIGTERM);
            helper.release();
        }
    } catch (const std::exception &error) {
        Log::error("event=event_command.failed error=\"{}\" directive=PassengerOnEvent", error.what());
    }
}

EventCommandStart EventCommand::startFor(const std::string &line) {
    const LockGuard guard(mutex_);
    return {settings_.onEvent, settings_.agentProgram(), settings_.defaultUser, variablesOf(line)};
}

}  // namespace Passenger
