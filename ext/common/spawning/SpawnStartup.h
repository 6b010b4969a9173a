#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "exchange/Options.h"
#include "io/Frame.h"
#include "spawning/AppGroup.h"
#include "spawning/AppResources.h"
#include "spawning/BootGuard.h"
#include "spawning/BootLimits.h"
#include "spawning/CancelSwitch.h"
#include "spawning/ExclusiveTurn.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnPlan.h"
#include "spawning/SpawnReport.h"
#include "spawning/SpawnSteps.h"
#include "spawning/SpawnedProcess.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * A process that has sent HELLO and has loaded the application. The destructor kills it, unless its
 * parts were moved out.
 */
struct LoadedProcess {
    /**
     * Destroyed in reverse: first the process ends, then the processes that it has started. Their
     * last output still reaches the log. The group comes last.
     */
    AppGroupPtr group;
    ProcessOutputPtr output;
    FrameSocket control;
    FileDescriptor waitStatus;
    BootGuard boot;
    SpawnedProcess process;
    /** See SpawnResult::isAsgi. */
    bool isAsgi = false;
    /** The spawn so far, for the report of a later failure. */
    SpawnReport report{};

    /** Converts this object for the caller of spawn(). */
    SpawnResult toResult() &&;
};

/**
 * Runs one spawn step by step up to a loaded process (doc/PROTOCOLS.md, sections 4.2 and 4.3), and
 * explains a failure.
 *
 * Used for one spawn(), in its thread. If a step fails, the spawn is cancelled or
 * PassengerStartTimeout passes, the started processes are killed. All exceptions are
 * SpawnExceptions with a report.
 */
class SpawnStartup {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    SpawnStartup(AppResources &resources, CancelSwitch &cancelSwitch, const Options &options);

    /** The application's user, Ruby and environment. Determined at the first call. */
    const SpawnPlan &plan();
    /** Waits until no other spawn uses the preloader. */
    ExclusiveTurn::Turn takeTurn(ExclusiveTurn &exclusive);
    /** Starts a process and waits until it has loaded the application. */
    LoadedProcess load(StartRequest::Role role);
    /**
     * Lets a preloader fork an instance. After a failure the preloader may be at another frame than
     * the agent. The caller destroys the preloader then, unless only the instance has ended or the
     * preloader waits for the next frame (preloaderWaits()).
     */
    LoadedProcess fork(LoadedProcess &preloader);
    /** Lets an instance fork a preloader, and waits until the preloader is ready. */
    LoadedProcess refork(const WarmInstance &instance);

    /** See Spawner::adopt(). */
    SpawnResult adopt(const LeftInstance &instance);

    /** Whether the last failure was the end of a process, or of its socket, before its answer. */
    bool lostContact() const noexcept { return lostContact_; }
    /** Whether the preloader waits for the next frame: it was not asked, has answered that it could
     *  not fork, or has forked a process that the agent could not look at. */
    bool preloaderWaits() const noexcept { return preloaderWaits_; }
    /**
     * After a failure: whether the time ran out during the fork, and the fork had at least half of
     * it.
     */
    bool forkWasLate() const noexcept { return forkWasLate_; }

private:
    /** Runs some of the steps and converts their exceptions to SpawnExceptions with a report. */
    template <typename Part> auto explained(Part part) -> decltype(part());
    [[noreturn]] void fail(const std::exception &e);
    std::string explain(const std::exception &e);
    bool mayPass(const std::exception &e);
    [[noreturn]] void failByProcess(const Frame &failed);
    /** Records the new process. */
    void begun(SpawnedProcess process);
    void learnFacts();
    /** Forwards a new process's output. @param owner the application's user */
    ProcessOutputPtr follow(FileDescriptor pipe, const RunAs &owner);
    LoadedProcess finished();
    StartedProcess askSpawnServer(const StartRequest &request);
    /**
     * Kills the processes of this spawn. The report gets the last facts about the awaited process.
     */
    void endProcess();
    SpawnPlan makePlan();
    Options::Variables grantedVariables();
    void checkNotCancelled() const;
    void nameOutput();
    /** The next frame. Meanwhile the process may get normal priority. */
    Frame receiveInTime(FrameSocket &control);
    /** The next frame that is no STEP. */
    Frame receive(FrameSocket &control);
    void receiveHello(FrameSocket &control, const SpawnedProcess &process);
    void loadApplication(LoadedProcess &process);

    AppResources &resources_;
    CancelSwitch &cancel_;
    const Options &options_;
    const Deadline deadline_;
    BootLimits limits_;
    std::optional<SpawnPlan> plan_;
    /** Names of variables that the application does not get (event=spawn.variable_ignored). */
    std::vector<std::string> ignoredVariables_;
    SpawnReport report_;
    bool lostContact_ = false;
    bool preloaderWaits_ = false;
    bool forkWasLate_ = false;
    std::chrono::steady_clock::time_point forkBegan_{};
    /** The process of this spawn. It is killed if the spawn fails. */
    LoadedProcess current_{};
    /** The process that has to act now: current_, or the preloader that forks it. */
    LoadedProcess *awaited_ = &current_;
};

}  // namespace Passenger
