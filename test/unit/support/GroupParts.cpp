#include "support/GroupParts.h"

#include <cppunit/extensions/HelperMacros.h>

#include <utility>

#include "io/SocketPair.h"
#include "shm/InFlightReader.h"

namespace Passenger {

void GroupParts::setUp() {
    LeakCheck::setUp();
    log_ = std::make_unique<CapturedLog>();
    loop_ = std::make_unique<EventLoop>();
    factory_ = std::make_unique<DummySpawnerFactory>(DummyInstances::Driven::BY_HAND);
    channels_ = std::make_unique<ChannelRegistry>(*loop_);
    context_.reset(new PoolContext{*loop_, *factory_, *channels_, clock_, store_, cpu_});
    queue_ = std::make_unique<ApplicationQueue>(0, app_, *channels_, store_);
    instances_ = std::make_unique<Instances>(store_, clock_, cpu_, *queue_,
                                             [this](ProcessPtr process) { context_->bury(std::move(process)); });
    table_ = std::make_unique<InFlightTable>();
    channels_->addSender(InFlightReader(table_->memory().descriptor().duplicate()));
    DescriptorPair pair = makeSeqPacketPair();
    child_ = std::move(pair.first);
    channel_ = channels_->add(std::move(pair.second), 0, 0, ChannelSecret::random());
    queue_->senders().reset(channel_);
    sender_ = std::make_unique<SenderMemoryView>(queue_->senders().memory().descriptor());
    options_ = Options();
    settings_ = PoolSettings();
    pauses_.emplace(store_);
    lastId_ = 0;
}

void GroupParts::tearDown() {
    instances_.reset();
    sender_.reset();
    child_.reset();
    queue_.reset();
    context_->threads.join();
    // The loop destroys buried processes, and uses the context.
    loop_->runSync([] {});
    context_.reset();
    channels_.reset();
    table_.reset();
    factory_.reset();
    loop_.reset();
    log_.reset();
    LeakCheck::tearDown();
}

ProcessPtr GroupParts::make(std::uint64_t version) {
    auto process = std::make_shared<Process>(SpawnResult{}, InstanceId(++lastId_), version, now(), Process::Start());
    process->give(
        {1, queue_->current() ? queue_->current()->number : Generation(), queue_->cells().allocate(1).value()});
    return process;
}

ProcessPtr GroupParts::serve(std::uint64_t version) {
    ProcessPtr process = make(version);
    instances_->add(process);
    return process;
}

void GroupParts::makeQueue() {
    const PoolGuard guard(*context_);
    queue_->makeCurrent(context_->makeQueue(options_));
}

InstanceClaim::Memory GroupParts::claimMemory() const {
    return {queue_->cells().claims().memory().descriptor(), queue_->senders().memory().descriptor()};
}

void GroupParts::claim(const Process &process, ChannelId channel, Ticket ticket) {
    const InstanceClaim::Memory memory = claimMemory();
    CPPUNIT_ASSERT(InstanceClaim(memory, process.socket().cells.first).take(channel, ticket));
}

void GroupParts::finish(const Process &process) {
    const InstanceClaim::Memory memory = claimMemory();
    InstanceClaim(memory, process.socket().cells.first).complete(now());
}

void GroupParts::send(Ticket ticket, const RequestLabel &label) {
    const std::uint32_t entry = table_->allocate();
    table_->describe(entry, ticket, label);
    table_->sending(entry, channel_, ticket, 0, now());
    table_->sent(entry);
    sender_->add(0, 1);
}

}  // namespace Passenger
