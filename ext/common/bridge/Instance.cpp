#include "bridge/Instance.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/SignalDescriptor.h"
#include "base/SystemClock.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/** The name of a step in reports. */
constexpr const char *STARTING_THREADS = "starting threads";
/** The time that clients have for the bytes that are left at the end. */
constexpr auto REST_WITHIN = 2s;

FileDescriptor endingSignals() {
    return makeSignalDescriptor({SIGTERM, SIGINT});
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
    constexpr std::size_t PART = 4;
    return descriptorLimit() / PART;
}

}  // namespace

void Instance::prepareProcess() {
    // For the signals that it blocks. They wait for the descriptor that the constructor makes.
    endingSignals();
}

Instance::Instance(ControlSocket &control, Application &application, Frame frame,
                   std::chrono::milliseconds finishWithin)
    : control_(control),
      application_(application),
      finishWithin_(finishWithin),
      serve_(Serve::of(frame)),
      channels_([this](std::uint64_t id) { control_.sendIfRoom(Frame(FrameType::FETCH, {std::to_string(id)})); }),
      relays_(mostRelays(), SystemClock::instance()),
      tools_{channels_,
             application_.address(),
             relays_,
             [this] { countAnswered(); },
             application_.isNode(),
             application_.takesAll()},
      intake_(std::make_shared<const Handover>(serve_, frame), tools_),
      signals_(endingSignals()),
      controlWatch_(intake_.watchFor(Intake::CONTROL)),
      applicationWatch_(intake_.watchFor(Intake::APPLICATION)) {
    if (!controlWatch_.set(control_.descriptor(), EPOLLIN) ||
        !applicationWatch_.set(application_.endingDescriptor(), EPOLLIN) ||
        !intake_.watchFor(Intake::SIGNALS).set(signals_.get(), EPOLLIN)) {
        throw SystemException("epoll", errno);
    }
}

void Instance::run() {
    if (serve_.heartbeatInterval.count() > 0) {
        startHeartbeats();
    }
    // Before any request: the agent supposes that an instance has none before READY.
    control_.send(Frame(FrameType::READY));
    try {
        // Frames that came together with SERVE.
        readControlSocket();
        settle();
        while (!ending_) {
            turn(std::nullopt);
        }
        finish();
    } catch (const std::exception &error) {
        EventLog::write("instance.thread_failed", "error=" + EventLog::inQuotes(error.what()));
        // The claim of a request in work stays, so that the agent sends LOST.
        ::_exit(EXIT_FAILURE);
    }
}

/** In a thread that does nothing else, to the end of the process. Before READY: an instance without
 *  it has not started, and the version that serves goes on. */
void Instance::startHeartbeats() {
    try {
        std::thread([&control = control_, interval = serve_.heartbeatInterval] {
            for (;;) {
                std::this_thread::sleep_for(interval);
                control.tellIfRoom(Frame(FrameType::HEARTBEAT));
            }
        }).detach();
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
    ::_exit(EXIT_FAILURE);
}

/** Waits for events once, until `until` at most. */
void Instance::turn(Deadline until) {
    const Intake::Ready ready = intake_.turn(until);
    if (ready[Intake::APPLICATION]) {
        noteApplication();
    }
    signalfd_siginfo signal{};
    if (ready[Intake::SIGNALS] && ::read(signals_.get(), &signal, sizeof(signal)) > 0) {
        beginEnd();
    }
    if (ready[Intake::CONTROL]) {
        readControlSocket();
    }
    settle();
}

void Instance::settle() {
    if (intake_.settle() && !ending_) {
        control_.tell(Frame(FrameType::PAUSE, {"1"}));
    }
}

/** Its keeper tells something, or has ended. */
void Instance::noteApplication() {
    if (!finishing_) {
        endWithApplication();
    }
    gone_ = application_.isGone();
    if (gone_) {
        applicationWatch_.set(application_.endingDescriptor(), 0);
    }
}

/** Goes on after FINISH, because a request in work may still need a channel. */
void Instance::readControlSocket() {
    try {
        while (auto frame = control_.tryReceive()) {
            handle(std::move(*frame));
        }
    } catch (const EndOfFileException &) {
        // The agent has gone or no longer wants the instance.
        leaveControlSocket();
    } catch (const std::exception &error) {
        EventLog::write("control.broken", "reason=" + EventLog::inQuotes(error.what()));
        leaveControlSocket();
    }
    intake_.searchAgain();
}

void Instance::leaveControlSocket() noexcept {
    controlWatch_.set(control_.descriptor(), 0);
    channels_.stop();
    beginEnd();
}

void Instance::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::FINISH: beginEnd(); break;
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
    intake_.replace(std::move(handover));
    if (ending_) {
        intake_.pause();
    }
}

/** The intake reports the pause when it has no request. */
void Instance::pauseOrResume(const Frame &frame) {
    if (frame.field(0) == "1") {
        intake_.pause();
    } else if (!ending_ && intake_.resume()) {
        control_.tell(Frame(FrameType::PAUSE, {"0"}));
    }
}

void Instance::countAnswered() {
    if (++answered_ == serve_.maxRequests) {
        control_.tell(Frame(FrameType::LIMIT_REACHED));
    }
}

void Instance::beginEnd() noexcept {
    ending_ = true;
    intake_.pause();
}

void Instance::endWithApplication() {
    // Before a request's notice is over.
    relays_.noteDeathOfApplication();
    applicationWatch_.set(application_.endingDescriptor(), 0);
    const AppKeeper::Ending ending = application_.takeEnding();
    EventLog::write("application.ended", fmt::format("status=\"{}\"", Application::describe(ending)));
    beginEnd();
    settle();
    letClientsTakeTheRest(&Relays::undelivered);
    ::_exit(exitStatusFor(ending));
}

/** Waits until clients have the application's last bytes, such as the reason for closing a
 *  WebSocket. */
void Instance::letClientsTakeTheRest(std::size_t (Relays::*left)() const noexcept) {
    const auto deadline = deadlineIn(REST_WITHIN);
    while ((relays_.*left)() > 0 && steady_clock::now() < deadline) {
        turn(deadline);
    }
}

void Instance::finish() {
    const auto deadline = deadlineIn(finishWithin_);
    const auto inWork = [this] { return intake_.inWork() + relays_.streams(); };
    for (bool told = false; inWork() > 0 && steady_clock::now() < deadline; turn(deadline)) {
        // Another instance may serve while event streams go on.
        if (intake_.inWork() == 0 && !std::exchange(told, true)) {
            control_.tell(Frame(FrameType::PAUSE, {"1"}));
        }
    }
    if (const std::size_t left = inWork(); left > 0) {
        EventLog::write("instance.gave_up_waiting", fmt::format("requests={}", left));
    }
    application_.beginFinish();
    finishing_ = true;
    while (!gone_) {
        turn(std::nullopt);
    }
    letClientsTakeTheRest(&Relays::count);
    // Without destructors: claims of requests in work must stay.
    ::_exit(EXIT_SUCCESS);
}

}  // namespace Passenger::Bridge
