#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "bridge/Application.h"
#include "bridge/Channels.h"
#include "bridge/ControlSocket.h"
#include "bridge/Handover.h"
#include "bridge/Intake.h"
#include "bridge/Place.h"
#include "bridge/Relays.h"
#include "bridge/Watch.h"
#include "io/FinishLimit.h"
#include "io/Serve.h"

namespace Passenger::Bridge {

/**
 * The bridge from SERVE to its end. One thread, the main thread, works at the requests (Intake),
 * reads the control socket, and waits for the end. When the application's command ends, the process
 * ends as soon as the relays have delivered their bytes. The agent then reports the claimed
 * requests as lost.
 */
class Instance {
public:
    /** Sets up signals. Call it before there are threads. */
    static void prepareProcess();

    /** @throws ProtocolException when `frame`, a SERVE, is malformed */
    Instance(ControlSocket &control, Application &application, Frame frame,
             std::chrono::milliseconds finishWithin = FINISH_LIMIT);

    /** Ends the process when all requests are answered, or finishWithin is over.
     *  @throws SystemException: READY cannot be sent */
    [[noreturn]] void run();

private:
    using Deadline = std::optional<MonotonicTime>;

    void startHeartbeats();
    [[noreturn]] void failStart(const char *reason);
    void turn(Deadline until);
    void settle();
    void noteApplication();
    void readControlSocket();
    void leaveControlSocket() noexcept;
    void handle(Frame frame);
    void addChannel(Frame &frame);
    void serveAnew(Frame &frame);
    void pauseOrResume(const Frame &frame);
    void countAnswered();
    void beginEnd() noexcept;
    [[noreturn]] void finish();
    [[noreturn]] void endWithApplication();
    /** @param left of the Relays */
    void letClientsTakeTheRest(std::size_t (Relays::*left)() const noexcept);

    ControlSocket &control_;
    Application &application_;
    const std::chrono::milliseconds finishWithin_;
    /** The first one. */
    const Serve serve_;
    Channels channels_;
    Relays relays_;
    const Place::Tools tools_;
    Intake intake_;
    const FileDescriptor signals_;
    Watch controlWatch_;
    Watch applicationWatch_;
    std::uint64_t answered_ = 0;
    /** No more requests are taken. */
    bool ending_ = false;
    /** The application was told to end. */
    bool finishing_ = false;
    /** It has ended. */
    bool gone_ = false;
};

}  // namespace Passenger::Bridge
