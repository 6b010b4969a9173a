#pragma once

#include <memory>
#include <vector>

#include "agent/DescriptorStoreClient.h"
#include "agent/PoolEngine.h"
#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The pool process without its engine: takes earlier deposits and settings from the watchdog, makes the engine, says
 * that it is up, gives it new settings, and ends it in order when the watchdog closes the socket or ends, or a SIGTERM
 * or SIGINT comes.
 *
 * Owned by main(), whose thread runs it; that thread never runs the event loop, and destroys the engine (seed 001).
 */
class PoolProcess {
public:
    /** @param socket frames with the watchdog */
    PoolProcess(FileDescriptor socket, PoolEngineFactory makeEngine);
    ~PoolProcess();
    PoolProcess(const PoolProcess &) = delete;
    PoolProcess &operator=(const PoolProcess &) = delete;

    /** Blocks SIGTERM and SIGINT for good, in the threads made later too. @return the exit status. @throws
     *  SystemException */
    int run();

private:
    bool startEngine();
    void begin(Frame begin);
    void serve();
    void receive();
    void update(Frame settings);
    void stopEngine() noexcept;

    FrameSocket socket_;
    FileDescriptor signals_;
    const PoolEngineFactory makeEngine_;
    std::unique_ptr<DescriptorStoreClient> store_;
    std::vector<StoreEntry> restored_;
    std::unique_ptr<PoolEngine> engine_;
    bool ending_ = false;
};

}  // namespace Passenger
