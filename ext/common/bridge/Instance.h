#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/FileDescriptor.h"
#include "bridge/Application.h"
#include "bridge/Channels.h"
#include "bridge/ControlSocket.h"
#include "bridge/Intake.h"
#include "bridge/Worker.h"

namespace Passenger::Bridge {

/**
 * The bridge while it serves, from SERVE to its end. The main thread waits for what ends it, a thread reads the control socket, the workers
 * take requests. When the application's command ends, the process ends at once: what its workers had claimed, the agent tells.
 */
class Instance {
public:
    /** For the signals that it waits for. Before there are threads. */
    static void prepareProcess();

    /** How long requests in work have at its end. */
    static constexpr std::chrono::seconds FINISH_WITHIN{60};

    /** @throws ProtocolException when SERVE is not as it has to be */
    Instance(ControlSocket &control, Application &application, Frame serve,
             std::chrono::milliseconds finishWithin = FINISH_WITHIN);
    ~Instance();

    /** Returns when all requests have been answered, or time for them is up. */
    void run();

private:
    void startThreads();
    void readControlSocket();
    [[noreturn]] void sendHeartbeats();
    void handle(Frame frame);
    void pauseOrResume(Frame &frame);
    void countAnswered();
    /** Waits for what concerns the main thread. False: until `deadline` there was nothing. */
    bool awaitEvent(Application::Deadline deadline);
    void noteEvent() noexcept;
    void finish();

    ControlSocket &control_;
    Application &application_;
    const std::chrono::milliseconds finishWithin_;
    std::uint32_t firstCell_;
    std::uint32_t count_;
    std::uint64_t maxRequests_;
    /** Between two signs of life; zero: none is wanted. */
    std::chrono::milliseconds heartbeatInterval_;
    FileDescriptor claims_;
    FileDescriptor senders_;
    Channels channels_;
    std::optional<Intake> intake_;
    std::optional<Worker::Tools> tools_;
    std::vector<std::unique_ptr<Worker>> workers_;
    FileDescriptor signals_;
    /** Something has happened that the main thread has to look at. */
    FileDescriptor events_;
    std::atomic<bool> ending_{false};
    std::atomic<std::uint32_t> working_{0};
    std::atomic<std::uint64_t> answered_{0};
};

}  // namespace Passenger::Bridge
