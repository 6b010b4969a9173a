#include "bridge/Instance.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/SystemClock.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/** The name of a step in reports. */
constexpr const char *STARTING_THREADS = "starting threads";
constexpr auto FOREVER = std::chrono::hours(24 * 365);
/** The time that clients have for the bytes that are left at the end. */
constexpr auto REST_WITHIN = 2s;

sigset_t endingSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

int exitStatusFor(const AppKeeper::Ending &ending) {
    constexpr int SIGNALLED = 128;
    if (!ending.error.empty()) {
        return EXIT_FAILURE;
    }
    return WIFEXITED(ending.status) ? WEXITSTATUS(ending.status) : SIGNALLED + WTERMSIG(ending.status);
}

/** Requests need descriptors, too. Each relay has two, and a third one at first. */
std::size_t mostRelays() {
    constexpr rlim_t PART = 4;
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / PART : 0;
}

}  // namespace

void Instance::prepareProcess() {
    const sigset_t signals = endingSignals();
    sigprocmask(SIG_BLOCK, &signals, nullptr);
}

Instance::Instance(ControlSocket &control, Application &application, Frame frame,
                   std::chrono::milliseconds finishWithin)
    : control_(control),
      application_(application),
      finishWithin_(finishWithin),
      serve_(Serve::of(frame)),
      channels_([this](std::uint64_t id) { control_.sendIfRoom(Frame(FrameType::FETCH, {std::to_string(id)})); },
                [this] { intake_->noteChannels(); }),
      relays_(
          mostRelays(), [this] { noteEvent(); }, SystemClock::instance()),
      tools_{channels_,
             application_.address(),
             relays_,
             [this] { countAnswered(); },
             application_.isNode(),
             application_.takesAll()},
      events_(makeEventDescriptor()) {
    const sigset_t signals = endingSignals();
    signals_ = FileDescriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    intake_.emplace(std::make_shared<const Handover>(serve_, frame), tools_, [this] { noteIdle(); });
}

/** Busy threads still use the members, so the owner ends the process without destroying it. */
Instance::~Instance() = default;

void Instance::run() {
    startThreads();
    // Before any request: the agent supposes that an instance has none before READY.
    control_.send(Frame(FrameType::READY));
    gate_.count_down();
    while (!ending_) {
        awaitEvent(deadlineIn(FOREVER));
    }
    finish();
}

/** Before READY: an instance without its threads has not started, and the version that serves goes
 *  on. */
void Instance::startThreads() {
    try {
        startThread([this] { intake_->run(); });
        startThread([this] { readControlSocket(); });
        if (serve_.heartbeatInterval.count() > 0) {
            startThread([this] { sendHeartbeats(); });
        }
    } catch (const std::system_error &error) {
        failStart(error.what());
    }
}

void Instance::failStart(const char *reason) {
    const auto message = fmt::format("the bridge cannot start its threads: {}", reason);
    EventLog::write("instance.start_failed",
                    fmt::format("step=\"{}\" message={}", STARTING_THREADS, EventLog::inQuotes(message)));
    control_.tell(Frame(FrameType::FAILED, {STARTING_THREADS, "", message, ""}));
    application_.finish();
    // Without destructors: other threads wait at the gate.
    ::_exit(EXIT_FAILURE);
}

/** The end of the thread ends the instance. @throws std::system_error */
void Instance::startThread(std::function<void()> work) {
    std::thread([this, work = std::move(work)] {
        gate_.wait();
        try {
            work();
        } catch (const std::exception &error) {
            EventLog::write("instance.thread_failed", "error=" + EventLog::inQuotes(error.what()));
            // The claim of a request in work stays, so that the agent sends LOST.
            ::_exit(EXIT_FAILURE);
        }
        ending_ = true;
        noteEvent();
    }).detach();
}

/** The function of a thread of its own, which runs to the end of the process. */
void Instance::sendHeartbeats() {
    for (;;) {
        std::this_thread::sleep_for(serve_.heartbeatInterval);
        control_.tellIfRoom(Frame(FrameType::HEARTBEAT));
    }
}

/** Goes on after FINISH, because a request in work may still need a channel. */
void Instance::readControlSocket() {
    try {
        for (;;) {
            handle(control_.receive(deadlineIn(FOREVER)));
        }
    } catch (const EndOfFileException &) {
        // The agent has gone or no longer wants the instance.
        channels_.stop();
    } catch (const std::exception &error) {
        EventLog::write("control.broken", "reason=" + EventLog::inQuotes(error.what()));
        channels_.stop();
    }
}

void Instance::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::FINISH:
            ending_ = true;
            noteEvent();
            break;
        case FrameType::SERVE: serveAnew(frame); break;
        case FrameType::CHANNEL: addChannel(frame); break;
        case FrameType::NO_CHANNEL: channels_.refuse(frame.number(0)); break;
        case FrameType::PAUSE: pauseOrResume(frame); break;
        case FrameType::THREADS:
            if (frame.fields.empty()) {
                control_.tell(Frame(FrameType::THREADS,
                                    {"an application behind a bridge does not tell where its threads are\n"}));
            }
            break;
        case FrameType::DROP:
            for (std::size_t index = 0; index < frame.fields.size(); index++) {
                channels_.drop(frame.number(index));
            }
            break;
        default: EventLog::write("control.unexpected_frame", fmt::format("type={}", static_cast<int>(frame.type)));
    }
}

void Instance::addChannel(Frame &frame) {
    const std::uint64_t id = frame.number(0);
    if (!frame.descriptors.empty()) {
        channels_.add(id, frame.takeDescriptor(0));
        return;
    }
    // No request of it is begun: its child sends it again.
    EventLog::complain("channel.not_received", "remedy=\"a higher limit of open files\"");
    control_.tell(Frame(FrameType::NO_CHANNEL, {std::to_string(id)}));
    channels_.refuse(id);
}

/** The pool process has ended, and this is its successor. READY goes first, as in run(). */
void Instance::serveAnew(Frame &frame) {
    auto handover = std::make_shared<const Handover>(Serve::of(frame), frame);
    if (handover->threads != serve_.threads) {
        throw ProtocolException(fmt::format("SERVE names {} threads instead of {}", handover->threads, serve_.threads));
    }
    channels_.forget();
    control_.send(Frame(FrameType::READY));
    if (serve_.maxRequests > 0 && answered_ >= serve_.maxRequests) {
        control_.tell(Frame(FrameType::LIMIT_REACHED));
    }
    intake_->replace(std::move(handover));
}

/** The intake reports the pause when it has no request. */
void Instance::pauseOrResume(const Frame &frame) {
    if (frame.field(0) == "1") {
        intake_->pause();
    } else if (intake_->resume()) {
        control_.tell(Frame(FrameType::PAUSE, {"0"}));
    }
}

void Instance::countAnswered() {
    if (++answered_ == serve_.maxRequests) {
        control_.tell(Frame(FrameType::LIMIT_REACHED));
    }
}

/** For the Intake. At the end the main thread waits for it. */
void Instance::noteIdle() {
    if (ending_) {
        noteEvent();
    } else {
        control_.tell(Frame(FrameType::PAUSE, {"1"}));
    }
}

void Instance::noteEvent() noexcept {
    setEvent(events_);
}

bool Instance::awaitEvent(Application::Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    std::array<pollfd, 3> entries{
        {{application_.endingDescriptor(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
    const int timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
    if (poll(entries.data(), entries.size(), timeout) <= 0) {
        return steady_clock::now() < deadline;
    }
    if (entries[0].revents != 0) {
        endWithApplication();
    }
    signalfd_siginfo signal{};
    if (read(signals_.get(), &signal, sizeof(signal)) > 0) {
        ending_ = true;
    }
    clearEvent(events_);
    return true;
}

void Instance::endWithApplication() {
    // Before a request's notice is over.
    ending_ = true;
    relays_.noteDeathOfApplication();
    const AppKeeper::Ending ending = application_.takeEnding();
    EventLog::write("application.ended", fmt::format("status=\"{}\"", Application::describe(ending)));
    if (relays_.undelivered() > 0) {
        intake_->finish();
        letClientsTakeTheRest(&Relays::undelivered);
    }
    ::_exit(exitStatusFor(ending));
}

/** Waits until clients have the application's last bytes, such as the reason for closing a
 *  WebSocket. */
void Instance::letClientsTakeTheRest(std::size_t (Relays::*left)() const noexcept) const {
    constexpr auto LOOKS = 10ms;
    const auto deadline = steady_clock::now() + REST_WITHIN;
    while ((relays_.*left)() > 0 && steady_clock::now() < deadline) {
        std::this_thread::sleep_for(LOOKS);
    }
}

void Instance::finish() {
    intake_->finish();
    const auto deadline = steady_clock::now() + finishWithin_;
    const auto inWork = [this] { return intake_->inWork() + relays_.streams(); };
    bool told = false;
    do {
        // Another instance may serve while event streams go on.
        if (intake_->inWork() == 0 && relays_.streams() > 0 && !std::exchange(told, true)) {
            control_.tell(Frame(FrameType::PAUSE, {"1"}));
        }
    } while (inWork() > 0 && awaitEvent(deadline));
    if (const std::size_t left = inWork(); left > 0) {
        EventLog::write("instance.gave_up_waiting", fmt::format("requests={}", left));
    }
    application_.finish();
    letClientsTakeTheRest(&Relays::count);
    // Without destructors: claims of requests in work must stay.
    ::_exit(EXIT_SUCCESS);
}

}  // namespace Passenger::Bridge
