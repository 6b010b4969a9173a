// The part of Group about what ends: instances, versions, the Group itself, and those who send to it.

#include <algorithm>
#include <string>
#include <utility>

#include "base/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

/** For an instance's parent to tell how it ended. A preloader that is stopped, say, does not. */
constexpr std::chrono::milliseconds WAIT_STATUS_LIMIT{1000};

}  // namespace

void Group::restart(AfterUnlock &after) {
    Log::notice("event=app.restart app=\"{}\"", name_);
    buryLater(std::move(spawner_));
    spawner_ = context_.factory.create(options_);
    notBefore_ = MonotonicTime{};
    const unsigned now = serving();
    if (!pulls_) {
        restoreTo_ = now;
        for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
            if (process->state == Process::State::SERVING) {
                retire(process);
            }
        }
    } else if (now > 0) {
        restoreTo_ = std::max(now, restoreTo_);
        context_.lastGeneration = Generation(context_.lastGeneration.value() + 1);
        next_ = std::make_shared<LineGeneration>(LineGeneration{context_.lastGeneration, RequestQueue()});
    }
    rescale(after);
}

void Group::clear(AfterUnlock &after) {
    used_ = !waiters_.empty();
    restoreTo_ = 0;
    next_.reset();
    if (current_) {
        retireLine();
    }
    for (const ProcessPtr &process : std::vector<ProcessPtr>(processes_)) {
        if (process->state == Process::State::SERVING) {
            retire(process);
        }
    }
    rescale(after);
}

void Group::shutDown(AfterUnlock &after) {
    shutDown_ = true;
    if (spawner_) {
        spawner_->cancel();
    }
    refuseAll(GetFailure{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down", "", ""}, after);
    clear(after);
}

/** Answers everybody who waits and whom no instance has taken. */
void Group::refuseAll(const GetFailure &failure, AfterUnlock &after) {
    for (GetCallback &waiter : waiters_) {
        after.push_back([callback = std::move(waiter), failure] { callback(tl::make_unexpected(failure)); });
    }
    waiters_.clear();
    if (pulls_) {
        for (const BoardEntry &entry : context_.channels.inFlight(slot_)) {
            context_.channels.tell(ChannelId(entry.channel), Ticket(entry.ticket), slot_, MessageType::REFUSED,
                                   failure.status(), failure.reportId, failure.text());
        }
    }
}

/** Its parent tells how it ended, and may be slow; a thread waits for that, and nothing else does. */
void Group::logExit(Process &process, bool expected) {
    if (process.pid() <= 0) {
        return;
    }
    const auto waitStatus = std::make_shared<FileDescriptor>(process.takeWaitStatus());
    context_.threads.run("wait status", [name = name_, pid = process.pid(), waitStatus, expected] {
        const std::string how = readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT);
        Log::write(expected ? LogLevel::INFO : LogLevel::WARN,
                   fmt::format("event=instance.exited app=\"{}\" pid={}{}", name, pid, how));
    });
}

void Group::processDied(const ProcessPtr &process, AfterUnlock &after) {
    if (process->state == Process::State::DEAD) {
        return;
    }
    const bool expected = process->state == Process::State::DRAINING;
    process->state = Process::State::DEAD;
    logExit(*process, expected);
    if (pulls_) {
        for (std::uint32_t i = 0; i < process->socket.cells.count; i++) {
            if (const std::optional<ClaimCell> claim = line_->claims().read(process->socket.cells.first + i)) {
                context_.channels.tell(ChannelId(claim->channel), Ticket(claim->ticket), slot_, MessageType::LOST);
            }
        }
        recheckWaiting();
        line_->free(process->socket.cells);
        context_.deposits.withdraw("instance:" + std::to_string(process->pid()));
    }
    std::erase(processes_, process);
    bury(process);
    if (!shutDown_) {
        publish();
        pool_.rescaleAll(after);
        if (pulls_ && current_ && !spawning_ && processes_.empty() && wantedNow() == 0) {
            retireLine();
        }
    }
}

/** A killed receiver swallows the message it just took: who waits unclaimed is asked to look. */
void Group::recheckWaiting() {
    for (const BoardEntry &entry : context_.channels.inFlight(slot_)) {
        if (!line_->claims().holds(ChannelId(entry.channel), Ticket(entry.ticket))) {
            context_.channels.tell(ChannelId(entry.channel), Ticket(entry.ticket), slot_, MessageType::RECHECK);
        }
    }
}

void Group::channelsGone(const std::vector<ChannelId> &channels) {
    if (!pulls_ || channels.empty()) {
        return;
    }
    Frame frame(FrameType::DROP);
    for (const ChannelId channel : channels) {
        line_->marks().withdrawAll(channel);
        frame.add(channel.value());
    }
    for (const ProcessPtr &process : processes_) {
        process->send(frame);
    }
}

void Group::resetMark(ChannelId channel) {
    line_->marks().reset(channel);
}

void Group::senderGone(std::uint32_t childSlot) {
    if (pulls_) {
        line_->marks().forgetChild(childSlot);
    }
}

void Group::processSent(Process &process, const Frame &frame) {
    if (frame.type != FrameType::FETCH) {
        return;
    }
    const ChannelId channel(frame.number(0));
    const FileDescriptor end = context_.channels.find(channel, slot_);
    Frame answer(end ? FrameType::CHANNEL : FrameType::NO_CHANNEL);
    answer.add(channel.value());
    process.send(answer, end ? std::vector<int>{end.get()} : std::vector<int>{});
}

std::vector<ProcessPtr> Group::takeProcesses() {
    return std::exchange(processes_, {});
}

std::shared_ptr<Spawner> Group::takeSpawner() {
    return std::exchange(spawner_, nullptr);
}

void Group::bury(ProcessPtr process) {
    context_.loop.post([process = std::move(process)] {});
}

void Group::buryLater(std::shared_ptr<Spawner> spawner) {
    spawner->cancel();
    context_.threads.run("end spawner", [spawner = std::move(spawner)]() mutable { spawner.reset(); });
}

}  // namespace Passenger
