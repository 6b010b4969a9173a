#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "exchange/Options.h"
#include "io/Frame.h"
#include "loop/EventLoop.h"
#include "spawning/BootGuard.h"
#include "spawning/CancelSwitch.h"
#include "spawning/ExclusiveTurn.h"
#include "spawning/OutputFiles.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnManager.h"
#include "spawning/SpawnPlan.h"
#include "spawning/SpawnReport.h"
#include "spawning/SpawnSteps.h"
#include "spawning/SpawnedProcess.h"
#include "spawning/Spawner.h"

namespace Passenger {

/** What all spawners with processes need. Each part outlives them. */
struct SpawnTools {
    EventLoop &loop;
    SpawnManager &manager;
    const UserResolver &users;
    OutputFiles &outputs;
};

/** A process that has said hello and has the application loaded. Killed when destroyed, unless taken apart. */
struct LoadedProcess {
    /** Destroyed in reverse: the process is ended first, then what it has started, and its last words still reach the log. */
    ProcessOutputPtr output;
    FrameSocket control;
    FileDescriptor waitStatus;
    BootGuard boot;
    SpawnedProcess process;
    /** How it came so far, for whoever it fails with later. */
    SpawnReport story{};

    /** Hands it over. */
    SpawnResult toResult() &&;
};

/**
 * Brings one spawn from its beginning to a loaded process, step by step (doc/PROTOCOLS.md, sections 4.2 and 4.3), and
 * explains it when it fails.
 *
 * Lives for one spawn(), in its thread. What it started is killed when a step fails, is cancelled, or the application's
 * start timeout has passed. All that is thrown is a SpawnException with a report.
 */
class SpawnStartup {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    SpawnStartup(SpawnTools &tools, CancelSwitch &cancelSwitch, const Options &options);

    /** Whom the application runs as, with which Ruby and environment. Decided at the first call. */
    const SpawnPlan &plan();
    /** Waits until no other spawn uses the preloader. */
    ExclusiveTurn::Turn takeTurn(ExclusiveTurn &exclusive);
    /** Starts a process that loads the application, and waits until it has. */
    LoadedProcess load(StartRequest::Role role);
    /** Lets a preloader fork an instance. If this fails, the preloader is out of step and must be dropped. */
    LoadedProcess fork(LoadedProcess &preloader);
    /** Lets an instance fork a preloader, and waits until that is ready. */
    LoadedProcess refork(const WarmInstance &instance);

    /** Whether the last failure was that a process ended, or closed its socket, before it had answered. */
    bool lostContact() const noexcept {
        return lostContact_;
    }
    /** After a failure: the time was over while the preloader forked, or its fork was not heard of; and that had at least half of it. */
    bool forkWasLate() const noexcept {
        return forkWasLate_;
    }

private:
    /** Runs a part of the steps; what it throws becomes a report. */
    template <typename Part> auto explained(Part part) -> decltype(part());
    [[noreturn]] void fail(const std::exception &e);
    std::string explain(const std::exception &e);
    [[noreturn]] void failByProcess(const Frame &failed);
    /** The process is there. */
    void begun(SpawnedProcess process);
    void learnFacts();
    /** Takes what a new process prints. @param owner of the application */
    ProcessOutputPtr follow(FileDescriptor pipe, const RunAs &owner);
    /** It has loaded the application. */
    LoadedProcess finished();
    StartedProcess askSpawnServer(const StartRequest &request);
    /** Ends what was started, and has the report say what the awaited process still told. */
    void endProcess();
    SpawnPlan makePlan();
    void checkNotCancelled() const;
    /** The next frame that is no STEP. */
    Frame receive(FrameSocket &control);
    void receiveHello(FrameSocket &control, const SpawnedProcess &process);
    void loadApplication(LoadedProcess &process);

    SpawnTools &tools_;
    CancelSwitch &cancel_;
    const Options &options_;
    const Deadline deadline_;
    std::optional<SpawnPlan> plan_;
    SpawnReport report_;
    bool lostContact_ = false;
    bool forkWasLate_ = false;
    std::chrono::steady_clock::time_point forkBegan_{};
    /** The one under way: to be told about when it fails. */
    LoadedProcess current_{};
    /** The one that has to do something now: current_, or the preloader that is to fork it. */
    LoadedProcess *awaited_ = &current_;
};

}  // namespace Passenger
