#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <optional>

#include "base/FileDescriptor.h"
#include "bridge/Application.h"
#include "bridge/Channels.h"
#include "bridge/ControlSocket.h"
#include "bridge/Handover.h"
#include "bridge/Intake.h"
#include "bridge/Place.h"
#include "bridge/Relays.h"
#include "io/FinishLimit.h"
#include "io/Serve.h"

namespace Passenger::Bridge {

/**
 * The bridge from SERVE to its end. The main thread owns it and waits for the end. One thread reads
 * the control socket, and one works at the requests (Intake). When the application's command ends,
 * the process ends as soon as the relays have delivered their bytes. The agent then reports the
 * claimed requests as lost.
 */
class Instance {
public:
    /** Sets up signals. Call it before there are threads. */
    static void prepareProcess();

    /** @throws ProtocolException when `frame`, a SERVE, is malformed */
    Instance(ControlSocket &control, Application &application, Frame frame,
             std::chrono::milliseconds finishWithin = FINISH_LIMIT);
    ~Instance();

    /** Does not return before all requests are answered, or finishWithin is over. */
    void run();

private:
    void startThreads();
    [[noreturn]] void failStart(const char *reason);
    void startThread(std::function<void()> work);
    void readControlSocket();
    [[noreturn]] void sendHeartbeats();
    void handle(Frame frame);
    void addChannel(Frame &frame);
    void serveAnew(Frame &frame);
    void pauseOrResume(const Frame &frame);
    void countAnswered();
    /** Waits for an event for the main thread. False: none came until `deadline`. */
    bool awaitEvent(Application::Deadline deadline);
    void noteIdle();
    void noteEvent() noexcept;
    void finish();
    [[noreturn]] void endWithApplication();
    /** @param left of the Relays */
    void letClientsTakeTheRest(std::size_t (Relays::*left)() const noexcept) const;

    ControlSocket &control_;
    Application &application_;
    const std::chrono::milliseconds finishWithin_;
    /** The first one. */
    const Serve serve_;
    Channels channels_;
    Relays relays_;
    const Place::Tools tools_;
    std::optional<Intake> intake_;
    /** Threads wait here until the instance is ready. */
    std::latch gate_{1};
    FileDescriptor signals_;
    /** Wakes the main thread. */
    FileDescriptor events_;
    std::atomic<bool> ending_{false};
    std::atomic<std::uint64_t> answered_{0};
};

}  // namespace Passenger::Bridge
