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

/** More than an instance gives its requests when it is told to finish (lib/passenger: 60 s). */
constexpr std::chrono::seconds DRAIN_LIMIT{90};

}  // namespace

void Group::restart() {
    Log::notice("event=app.restart app=\"{}\"", name_);
    std::shared_ptr<Spawner> fresh = context_.factory.create(options_);
    buryLater(std::exchange(spawner_, std::move(fresh)));
    if (pulls_) {
        line_->marks().takePeak(context_.channels.childSlots());
    } else {
        peak_ = inFlight();
    }
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
    rescale();
}

void Group::clear() {
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
    rescale();
}

void Group::shutDown(AfterUnlock &after) {
    shutDown_ = true;
    if (spawner_) {
        spawner_->cancel();
    }
    refuseAll(GetFailure{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down", "", ""}, after);
    clear();
}

/** Answers everybody who waits and whom no instance has taken. */
void Group::refuseAll(const GetFailure &failure, AfterUnlock &after) {
    for (GetCallback &waiter : waiters_) {
        after.push_back([callback = std::move(waiter), failure] { callback(tl::make_unexpected(failure)); });
    }
    waiters_.clear();
    if (pulls_) {
        for (const BoardEntry &entry : context_.channels.inFlight(slot_)) {
            if (line_->claims().holds(ChannelId(entry.channel), Ticket(entry.ticket))) {
                continue;
            }
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
    const auto log = [name = name_, pid = process.pid(), expected](const std::string &how) {
        Log::write(expected ? LogLevel::INFO : LogLevel::WARN,
                   fmt::format("event=instance.exited app=\"{}\" pid={}{}", name, pid, how));
    };
    try {
        context_.threads.run("wait status", [waitStatus, log] { log(readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT)); });
    } catch (const std::exception &) {
        log("");
    }
}

void Group::processDied(const ProcessPtr &process) {
    if (process->state == Process::State::DEAD) {
        return;
    }
    const bool expected = process->state == Process::State::DRAINING;
    process->state = Process::State::DEAD;
    if (pulls_) {
        giveUpCells(process->socket.cells);
        context_.deposits.withdraw("instance:" + std::to_string(process->pid()));
    }
    logExit(*process, expected);
    std::erase(processes_, process);
    bury(process);
    if (!shutDown_) {
        publish();
        pool_.rescaleAll();
        if (pulls_ && current_ && !spawning_ && processes_.empty() && wantedNow() == 0) {
            retireLine();
        }
    }
}

/** Kills instances that were told to finish and did not: they hang where nothing of theirs can end them. */
void Group::endSlowDrains(MonotonicTime now) {
    for (const ProcessPtr &process : processes_) {
        if (process->state != Process::State::DRAINING || process->pid() == 0) {
            continue;
        }
        if (!process->drainingSince) {
            process->drainingSince = now;
        } else if (now - *process->drainingSince > DRAIN_LIMIT) {
            Log::warn("event=instance.killed app=\"{}\" pid={} reason=\"it did not finish in time\"", name_,
                      process->pid());
            process->kill();
        }
    }
}

/** Tells who waits for the owner of these cells that it is dead, and gives the cells out again. */
void Group::giveUpCells(const CellRange &cells) {
    for (std::uint32_t i = 0; i < cells.count; i++) {
        if (const std::optional<ClaimCell> claim = line_->claims().read(cells.first + i)) {
            context_.channels.tell(ChannelId(claim->channel), Ticket(claim->ticket), slot_, MessageType::LOST);
        }
    }
    recheckWaiting();
    line_->free(cells);
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
    for (const ChannelId channel : channels) {
        line_->marks().withdrawAll(channel);
    }
    for (const ProcessPtr &process : processes_) {
        process->dropChannels(channels);
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
    const ChannelId channel(frame.number(0));
    const bool known = context_.channels.lend(channel, slot_, [&](int end) { process.giveChannel(channel, end); });
    if (!known) {
        Frame answer(FrameType::NO_CHANNEL);
        answer.add(channel.value());
        process.send(answer);
    }
}

bool Group::mayAlwaysRestart() const {
    if (spawning_ || next_ || processes_.empty()) {
        return false;
    }
    const MonotonicTime newest = processes_.back()->since();
    return lastBusy_ > newest || (pulls_ ? line_->marks().peak() > 0 : peak_ > 0);
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
    oldSpawners_.push_back(std::move(spawner));
    // Ending one blocks, so the last reference must go in the thread.
    const auto all = std::make_shared<std::vector<std::shared_ptr<Spawner>>>(std::move(oldSpawners_));
    oldSpawners_.clear();
    try {
        context_.threads.run("end spawner", [all] { all->clear(); });
    } catch (const std::exception &error) {
        oldSpawners_ = std::move(*all);
        Log::error("event=spawner.not_ended app=\"{}\" error=\"{}\"", name_, error.what());
    }
}

}  // namespace Passenger
