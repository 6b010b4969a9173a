// The part of Group that leads from a spawner to an instance that serves: the spawn loop, generations of the line.

#include <algorithm>
#include <csignal>
#include <random>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Log.h"
#include "base/PidFd.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

namespace {

/** For an instance that was killed to be gone. */
constexpr std::chrono::seconds KILL_TIMEOUT{20};
/** After a failed attempt, while others serve. */
constexpr std::chrono::seconds RETRY_DELAY{5};

std::string makeReportId() {
    std::random_device random;
    return fmt::format("{:08x}", random());
}

}  // namespace

void Group::startSpawnLoop() {
    context_.threads.run("spawn", [this] { spawnLoop(); });
    // The thread needs our lock first. Had it not started, the next caller may try again.
    spawning_ = true;
}

void Group::spawnLoop() {
    try {
        while (spawnOne()) {
        }
    } catch (const std::exception &error) {
        // Memory, descriptors: not the application's fault. Whoever needs an instance next, or the timer, begins anew.
        Log::error("event=spawn.interrupted app=\"{}\" error=\"{}\"", name_, error.what());
        const PoolGuard guard(context_);
        spawning_ = false;
    }
}

/** In a background thread. False: nothing more to do, and the loop's place is given up. */
bool Group::spawnOne() {
    std::shared_ptr<Spawner> spawner;
    std::shared_ptr<LineGeneration> line;
    Options options;
    {
        const PoolGuard guard(context_);
        if (wantedNow() == 0 || !(next_ || pool_.makeRoom(*this))) {
            spawning_ = false;
            return false;
        }
        spawner = spawner_;
        line = next_ ? next_ : current_;
        options = options_;
    }
    restartFiles_.begin();
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED, "", "", ""};
    try {
        putToWork(spawner->spawn(options), options, spawner, line);
        return true;
    } catch (const SpawnException &error) {
        failure.summary = error.what();
        failure.report = error.report();
    } catch (const std::exception &error) {
        failure.summary = error.what();
    }
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        if (spawner != spawner_) {
            // It was cancelled by a restart.
            return true;
        }
        spawnFailed(failure, line, after);
    }
    run(after);
    return true;
}

/** Gives a new instance its queue (if it pulls), and takes it into service. */
void Group::putToWork(SpawnResult result, const Options &options, const std::shared_ptr<Spawner> &spawner,
                      const std::shared_ptr<LineGeneration> &line) {
    Socket socket;
    if (pulls_) {
        socket.kind = Socket::Kind::QUEUE;
        socket.concurrency = options.threads;
        {
            const PoolGuard guard(context_);
            const std::optional<CellRange> cells = line_->allocate(options.threads);
            if (!cells) {
                throw SpawnException(
                    fmt::format("{} has more than {} threads in all its instances", name_, ClaimsLayout::CELLS));
            }
            socket.cells = *cells;
        }
        try {
            serve(result, socket.cells, *line, options.startTimeout);
        } catch (const std::exception &error) {
            signalPidFd(result.pidFd, SIGKILL);
            waitPidFd(result.pidFd, KILL_TIMEOUT);
            const PoolGuard guard(context_);
            // It may have taken a request already.
            giveUpCells(socket.cells);
            throw SpawnException(
                fmt::format("instance {} of {} did not begin to serve: {}", result.pid, name_, error.what()),
                result.output ? result.output->lastLines() : "");
        }
    }
    const auto process =
        std::make_shared<Process>(std::move(result), line ? line->number : Generation(), socket, context_.clock.now());
    AfterUnlock after;
    {
        const PoolGuard guard(context_);
        added(process, spawner == spawner_, after);
    }
    run(after);
    // Only now: the callbacks take the lock, and what they find must be complete.
    try {
        process->watch(
            context_.loop,
            [this, process = std::weak_ptr<Process>(process)] { pool_.processDied(*this, process.lock()); },
            [this, raw = process.get()](const Frame &frame) { pool_.processSent(*this, *raw, frame); });
    } catch (...) {
        // Nobody would notice its end.
        process->kill();
        pool_.processDied(*this, process);
        throw;
    }
}

/** From "here is your queue" to "I take from it". The application's own hooks run in between. */
void Group::serve(SpawnResult &result, const CellRange &cells, const LineGeneration &line,
                  std::chrono::seconds timeout) {
    Frame frame(FrameType::SERVE);
    frame.add(cells.first);
    frame.add(cells.count);
    frame.add(name_);
    FileDescriptor claims;
    FileDescriptor marks;
    {
        const PoolGuard guard(context_);
        claims = line_->claims().memory().descriptor().duplicate();
        marks = line_->marks().memory().readOnlyDescriptor();
    }
    const FrameSocket::Deadline deadline = FrameSocket::in(timeout);
    result.control.send(frame, {line.queue.receivingEnd().get(), claims.get(), marks.get()}, deadline);
    const Frame answer = result.control.receive(deadline);
    if (answer.type != FrameType::READY) {
        throw ProtocolException(answer.type == FrameType::FAILED && answer.fields.size() > 2 ? answer.field(2)
                                                                                             : "an unexpected frame");
    }
}

/** @param upToDate false: the application was restarted since it was spawned, so it may run old code */
void Group::added(const ProcessPtr &process, bool upToDate, AfterUnlock &after) {
    processes_.push_back(process);
    idle_.restart(context_.clock.now());
    const bool isNext = next_ && process->generation() == next_->number;
    const bool isCurrent = !pulls_ || (current_ && process->generation() == current_->number);
    Log::notice("event=instance.started app=\"{}\" pid={}", name_, process->pid());
    if (pulls_) {
        const SpawnResult &parts = process->parts();
        context_.deposits.deposit(
            "instance:" + std::to_string(process->pid()),
            fmt::format("{} {} {} {}", process->pid(), slot_, process->socket.cells.first, process->socket.cells.count),
            {parts.pidFd.get(), parts.control.descriptor().get(), parts.output->descriptor().get(),
             line_->claims().memory().descriptor().get()});
    }
    if (shutDown_ || context_.shuttingDown || !upToDate || !(isNext || isCurrent)) {
        retire(process);
        return;
    }
    if (isNext) {
        makeCurrent(std::exchange(next_, nullptr));
    }
    if (serving() >= restoreTo_) {
        restoreTo_ = 0;
    }
    publish();
    giveWaiters(after);
}

/** A new version serves: what waits for the old one is sent to the new one, old instances answer what they have and end. */
void Group::makeCurrent(const std::shared_ptr<LineGeneration> &line) {
    const std::shared_ptr<LineGeneration> old = std::exchange(current_, line);
    publish();
    for (const ProcessPtr &process : processes_) {
        if (process->state == Process::State::SERVING && process->generation() != line->number) {
            process->state = Process::State::DRAINING;
            process->finish();
        }
    }
    if (old) {
        old->queue.shutDown();
        context_.deposits.withdraw(fmt::format("queue:{}:{}", slot_, old->number.value()));
    }
    const RequestQueue &queue = line->queue;
    context_.deposits.deposit(fmt::format("queue:{}:{}", slot_, line->number.value()), name_,
                              {queue.sendingEnd().get(), queue.receivingEnd().get()});
    recheckWaiting();
}

void Group::makeLine() {
    context_.lastGeneration = Generation(context_.lastGeneration.value() + 1);
    makeCurrent(std::make_shared<LineGeneration>(LineGeneration{context_.lastGeneration, RequestQueue()}));
}

/** The application goes down: children ask again when they have a request. */
void Group::retireLine() {
    const std::shared_ptr<LineGeneration> old = std::exchange(current_, nullptr);
    publish();
    old->queue.shutDown();
    context_.deposits.withdraw(fmt::format("queue:{}:{}", slot_, old->number.value()));
    for (const ProcessPtr &process : processes_) {
        if (process->state == Process::State::SERVING) {
            process->state = Process::State::DRAINING;
            process->finish();
        }
    }
    recheckWaiting();
}

/** Tells the children which generation to use, and how many requests it can run at once. */
void Group::publish() {
    if (pulls_) {
        context_.channels.generations().publish(slot_, current_ ? current_->number : Generation(),
                                                serving() * options_.threads);
        line_->marks().clearWanted();
    }
}

Attachment Group::attachment() const {
    return Attachment{slot_, current_->number, current_->queue.sendingEnd().duplicate(),
                      line_->claims().memory().readOnlyDescriptor(), line_->marks().memory().descriptor().duplicate()};
}

void Group::spawnFailed(const GetFailure &cause, const std::shared_ptr<LineGeneration> &line, AfterUnlock &after) {
    GetFailure failure = cause;
    failure.reportId = makeReportId();
    notBefore_ = context_.clock.now() + RETRY_DELAY;
    restoreTo_ = 0;
    if (shutDown_) {
        return;
    }
    Log::error("event=spawn.failed app=\"{}\" report={} error=\"{}\"", name_, failure.reportId, failure.summary);
    std::istringstream report(failure.report);
    for (std::string text; std::getline(report, text);) {
        Log::error("report={} {}", failure.reportId, text);
    }
    if (next_ && line == next_) {
        next_.reset();
        Log::error("event=deploy.failed app=\"{}\" report={} action=\"the old version keeps serving\"", name_,
                   failure.reportId);
    }
    if (serving() > 0) {
        return;
    }
    // Refused first: the queue's end would only make them ask again.
    refuseAll(failure, after);
    if (current_) {
        failure_ = failure;
        failedGeneration_ = current_->number;
        retireLine();
    }
}

}  // namespace Passenger
