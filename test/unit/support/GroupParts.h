#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pool/ApplicationQueue.h"
#include "pool/ChannelRegistry.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/QueuePauses.h"
#include "pool/SystemCpuLoad.h"
#include "shm/InFlightTable.h"
#include "shm/InstanceClaim.h"
#include "shm/SenderMemoryView.h"
#include "support/CapturedLog.h"
#include "support/DummySpawnerFactory.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"
#include "support/NoDescriptorStore.h"

namespace Passenger {

/** For tests of a Group's parts without a Pool: what they refer to, and a sender with one channel.
 *  The instances have neither a process nor a control socket. */
class GroupParts : public LeakCheck {
public:
    void setUp() override;
    void tearDown() override;

protected:
    /** An instance with one thread, and one cell in the claims. Its id is one more than that of the
     *  last. */
    ProcessPtr make(std::uint64_t version = 1);
    /** An instance of make() that serves. */
    ProcessPtr serve(std::uint64_t version = 1);
    InstanceClaim::Memory claimMemory() const;
    /** The instance takes this request. */
    void claim(const Process &process, ChannelId channel, Ticket ticket);
    void finish(const Process &process);
    /** Makes the queue that later instances of make() have. */
    void makeQueue();
    /** The sender has one more request in the queue, since now. */
    void send(Ticket ticket, const RequestLabel &label = {});
    MonotonicTime now() const { return clock_.now(); }

    std::string app_ = "blog";
    Options options_;
    PoolSettings settings_;
    ManualClock clock_;
    SystemCpuLoad cpu_;
    NoDescriptorStore store_;
    std::optional<QueuePauses> pauses_;
    std::unique_ptr<CapturedLog> log_;
    // Made in setUp(): CppUnit makes the fixtures of all tests before the first test runs.
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<DummySpawnerFactory> factory_;
    std::unique_ptr<ChannelRegistry> channels_;
    std::unique_ptr<PoolContext> context_;
    std::unique_ptr<ApplicationQueue> queue_;
    std::unique_ptr<Instances> instances_;
    std::unique_ptr<InFlightTable> table_;
    /** The sender's. */
    ChannelId channel_;
    FileDescriptor child_;
    std::unique_ptr<SenderMemoryView> sender_;
    std::uint64_t lastId_ = 0;
};

}  // namespace Passenger
