// The part of Group about what ends: instances, lines, the Group itself, and those who send to it.

#include <algorithm>
#include <random>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/Split.h"
#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

/** For an instance's parent to tell how it ended. A preloader that is stopped, say, does not. */
constexpr std::chrono::milliseconds WAIT_STATUS_LIMIT{1000};

/** Requests wait so long for an application whose instances die one after the other; longer, and they are told. */
constexpr std::chrono::seconds PATIENCE_WITH_DEATHS{2};

std::string makeReportId() {
    std::random_device random;
    return fmt::format("{:08x}", random());
}

}  // namespace

// ----- Everything

void Group::clear() {
    used_ = false;
    restoreTo_ = 0;
    const bool oneMore = startingReplacement();
    if (deployment_) {
        // There is no old version left to keep.
        adoptDeployment();
    }
    dropStandby();
    if (queue_.current()) {
        closeQueue();
    }
    retireAll();
    if (oneMore) {
        // What is being started was admitted above the limit for one of these. As long as they live no other may be.
        for (const ProcessPtr &process : instances_.all()) {
            process->replaced = true;
        }
    }
    rescale();
}

/** @param refuseQueued those who wait in the line, too. Else they look for it anew, and wait for the process that takes this one's place */
void Group::shutDown(bool refuseQueued) {
    shutDown_ = true;
    if (spawner_) {
        buryLater(std::move(spawner_));
    }
    beginnings_.cancel();
    const GetFailure failure{GetFailure::Reason::SHUTTING_DOWN, "the application pool is shutting down"};
    if (refuseQueued) {
        queue_.refuseWaiting(failure);
    }
    dropDeployment();
    clear();
    pool_.setDate(*this, std::nullopt);
}

/** The application goes down: children ask again when they have a request. */
void Group::closeQueue() {
    queue_.close();
    waitingSince_.reset();
    expecting_.reset();
    retireAll();
}

/** A disabled instance keeps the queue: the end of the queue would end the instance. */
void Group::closeQueueIfUnused() {
    if (queue_.current() && starting_ == 0 && !standby_ && !deployment_ && !instances_.anyStays() && inFlight() == 0 &&
        !expecting_) {
        closeQueue();
    }
}

/** Tells the children which generation to use, and how many requests it can run at once. */
void Group::publish() {
    queue_.publish(instances_.capacity());
}

// ----- Instances

void Group::processDied(const ProcessPtr &process) {
    if (process->state == Process::State::DEAD) {
        return;
    }
    const MonotonicTime now = context_.clock.now();
    const bool expected = process->state == Process::State::DRAINING;
    logExit(*process, expected);
    if (!expected && !shutDown_) {
        counters_.died++;
        readStatistics(now);
        backoff_.instanceDied(now, lastProgress_ > process->since());
        if (process->state == Process::State::SERVING) {
            restoreTo_ = std::max(restoreTo_, instances_.serving());
        }
    }
    ended(process);
    if (!expected && !shutDown_) {
        diedYoung(*process, now);
    }
}

/** Takes it out. */
void Group::ended(const ProcessPtr &process) {
    instances_.remove(process);
    hangs_.remove(process->id());
    if (shutDown_) {
        return;
    }
    publish();
    activateStandby();
    rescale();
    closeQueueIfUnused();
    pool_.roomMayHaveCome();
}

/** One instance after the other dies, and the next attempt is some time off: who waits is told. */
void Group::diedYoung(Process &process, MonotonicTime now) {
    if (instances_.serving() > 0 || starting_ > 0 || standby_ || backoff_.notBefore() < now + PATIENCE_WITH_DEATHS) {
        return;
    }
    GetFailure failure{
        GetFailure::Reason::SPAWN_FAILED,
        fmt::format("instances of {} end soon after their start, the last one was process {}", name_, process.pid())};
    Report report;
    report.summary = failure.summary;
    if (process.parts().output) {
        report.add("Its last output", Report::Form::LINES, process.secrets().hide(process.parts().output->lastLines()),
                   Report::Keep::END);
    }
    failure.report = std::make_shared<const Report>(std::move(report));
    logFailure("app.unstable", failure);
    goDown(failure);
}

/** Gives the failure an id, by which whoever is shown it finds it in the log, and the agent for a while. */
void Group::logFailure(const char *event, GetFailure &failure) {
    auto report = std::make_shared<Report>(failure.report ? *failure.report : Report());
    report->id = makeReportId();
    report->app = name_;
    report->summary = failure.summary;
    failure.report = report;
    context_.reports.add(report);
    lastFailure_ = {report->id, failure.summary, context_.clock.now()};
    Log::error("event={} app=\"{}\" report={} error=\"{}\"", event, name_, report->id, failure.summary);
    for (const std::string &queue : split(report->text(), '\n')) {
        Log::error("report={} {}", report->id, queue);
    }
}

/** There is no instance, and for now there will be none: who waits is told why, and so is who comes before it is tried again. */
void Group::goDown(const GetFailure &failure) {
    // Refused first: the queue's end would only make them ask again.
    queue_.refuseWaiting(failure);
    failure_ = failure;
    if (queue_.current()) {
        failedGeneration_ = queue_.current()->number;
        closeQueue();
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
        context_.threads.run(
            "wait status", [waitStatus, log] { log(waitStatusField(readWaitStatus(*waitStatus, WAIT_STATUS_LIMIT))); });
    } catch (const std::exception &) {
        log("");
    }
}

void Group::processSent(Process &process, const Frame &frame) {
    if (frame.type == FrameType::LIMIT_REACHED) {
        requestReplacement(process, "it has run as many requests as PassengerMaxRequests allows");
        return;
    }
    if (frame.type == FrameType::HEARTBEAT) {
        hangs_.noteHeartbeat(process.id(), context_.clock.now());
        return;
    }
    if (frame.type == FrameType::WARM) {
        warmed(process);
        return;
    }
    if (frame.type == FrameType::PAUSE) {
        // What it took in that very moment, and could not keep, is with nobody now.
        queue_.recheckWaiting();
        return;
    }
    const ChannelId channel(frame.number(0));
    bool given = false;
    const bool known =
        context_.channels.lend(channel, slot_, [&](int end) { given = process.giveChannel(channel, end); });
    if (!given) {
        Frame answer(FrameType::NO_CHANNEL);
        answer.add(channel.value());
        process.send(answer);
    }
    if (known && !given) {
        // It forgets the request, which is with nobody now.
        queue_.recheckWaiting();
    }
}

std::vector<std::shared_ptr<Spawner>> Group::takeSpawners() {
    std::vector<SpawnerPointer> all = std::exchange(oldSpawners_, {});
    all.push_back(std::exchange(spawner_, nullptr));
    return all;
}

void Group::buryLater(SpawnerPointer spawner) {
    spawner->cancel();
    dropLater(std::move(spawner));
}

/** Gives up what may be the last reference to a Spawner. */
void Group::dropLater(SpawnerPointer spawner) {
    oldSpawners_.push_back(std::move(spawner));
    // Ending one blocks, so the last reference must go in the thread.
    const auto all = std::make_shared<std::vector<SpawnerPointer>>(std::move(oldSpawners_));
    oldSpawners_.clear();
    try {
        context_.threads.run("end spawner", [all] { all->clear(); });
    } catch (const std::exception &error) {
        oldSpawners_ = std::move(*all);
        Log::error("event=spawner.not_ended app=\"{}\" error=\"{}\"", name_, error.what());
    }
}

// ----- Instances that hang

bool Group::requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) {
    const ProcessPtr process = instances_.holder(channel, ticket);
    if (process) {
        endHung(process, time);
    }
    return process != nullptr;
}

void Group::endHung(const ProcessPtr &process, std::chrono::milliseconds limit) {
    if (!hangs_.noteHang(*process, limit, context_.clock.now())) {
        return;
    }
    if (process->stays()) {
        restoreTo_ = std::max(restoreTo_, instances_.serving());
        retire(process);
    }
    process->askForBacktraces();
    rescale();
    pool_.roomMayHaveCome();
}

// ----- Who sends to it

void Group::channelsGone(const std::vector<ChannelId> &channels) {
    if (channels.empty()) {
        return;
    }
    for (const ChannelId channel : channels) {
        queue_.senders().withdrawAll(channel);
    }
    hangs_.noteOrphans(channels, context_.clock.now());
    rescale();
    for (const ProcessPtr &process : instances_.all()) {
        process->dropChannels(channels);
    }
}

}  // namespace Passenger
