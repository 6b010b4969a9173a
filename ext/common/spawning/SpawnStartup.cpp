#include "spawning/SpawnStartup.h"

#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "base/ProcessTree.h"
#include "base/SeccompMode.h"
#include "log/Log.h"
#include "rights/Rights.h"
#include "shm/Layouts.h"
#include "spawning/DiagnosisRule.h"
#include "spawning/PostMortem.h"
#include "spawning/Preloader.h"
#include "spawning/ProcessEnds.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

// Names of steps in reports. The process reports further ones.
constexpr const char *USER_CHOSEN = "user chosen";
constexpr const char *PRELOADER_FREE = "preloader free";
constexpr const char *SPAWN_SERVER_ASKED = "spawn server asked";
constexpr const char *PROFILE_READ = "shell environment loaded";
constexpr const char *RUBY_READY = "Ruby ready";
constexpr const char *PYTHON_READY = "Python ready";
constexpr const char *BRIDGE_READY = "bridge ready";
/** The name that the bridge has for this step. */
constexpr const char *COMMAND_STARTED = "command started";
constexpr const char *APPLICATION_LOADED = "application ready";
constexpr const char *INSTANCE_FORKED = "instance forked";
constexpr const char *PRELOADER_FORKED = "preloader forked";
constexpr const char *PROCESS_FORKED = "process forked";
constexpr const char *MEMORY_PREPARED = "memory prepared";
/** The field of LOADED from an ASGI application. */
constexpr const char *ASGI = "asgi";

/** Pipes of a user that wait to be read, since processes of the user hold one of them. With more,
 *  no process is started for this user. */
constexpr std::size_t MOST_HELD_PIPES = 64;
/** Far more than any process tells between two other frames. */
constexpr unsigned MOST_STEPS = 1000;

std::string firstLine(const std::string &text) {
    return text.substr(0, text.find('\n'));
}

/** A report without facts is better than no report. */
ProcessFacts factsOf(pid_t pid) {
    try {
        return ProcessFacts(Rights::ofThisProcess().procFilesOf(pid));
    } catch (const std::exception &error) {
        Log::info("event=spawn.facts_unknown pid={} error=\"{}\"", pid, error.what());
        return {};
    }
}

}  // namespace

SpawnResult LoadedProcess::toResult() && {
    const pid_t pid = process.pid();
    SpawnResult result{pid, process.release(), std::move(control), std::move(output), std::move(waitStatus)};
    result.group = std::move(group);
    result.isAsgi = isAsgi;
    result.report = std::make_shared<SpawnReport>(std::move(report));
    return result;
}

SpawnStartup::SpawnStartup(AppResources &resources, CancelSwitch &cancelSwitch, const Options &options)
    : resources_(resources),
      cancel_(cancelSwitch),
      options_(options),
      deadline_(deadlineIn(options.startTimeout)),
      limits_(options, *resources.counts) {}

const SpawnPlan &SpawnStartup::plan() {
    if (!plan_) {
        plan_ = explained([this] { return makePlan(); });
    }
    return *plan_;
}

SpawnPlan SpawnStartup::makePlan() {
    checkNotCancelled();
    report_.steps.begin(USER_CHOSEN);
    auto runAs = resources_.userOf(options_);
    if (!runAs) {
        throw SpawnException(runAs.error());
    }
    if (!runAs->note.empty()) {
        // Code that belongs to root, for the default user to run, may be on purpose.
        if (options_.user.empty() && options_.group.empty()) {
            Log::notice("event=spawn.user_replaced app=\"{}\" note=\"{}\"", options_.groupName(), runAs->note);
        } else {
            Log::warn("event=spawn.user_replaced app=\"{}\" note=\"{}\"", options_.groupName(), runAs->note);
        }
    }
    resources_.appUsers.set(options_.groupName(), *runAs);
    report_.runAs = *runAs;
    report_.steps.done(USER_CHOSEN);
    SpawnPlan plan(options_, std::move(*runAs), grantedVariables());
    // Replaced by learnFacts() once there is a process.
    report_.process.environment = plan.environment;
    return plan;
}

/** A child that was taken over could otherwise choose the code that the interpreter runs. */
Options::Variables SpawnStartup::grantedVariables() {
    Options::Variables variables = options_.variables ? options_.variables() : Options::Variables();
    const auto grants = resources_.grants.forOptions(options_, std::chrono::steady_clock::now());
    std::erase_if(variables, [&](const auto &variable) {
        if (grants->allowsVariable(variable.first, variable.second)) {
            return false;
        }
        Log::warn(
            "event=spawn.variable_ignored app=\"{}\" name=\"{}\" reason=\"it decides about the code, the environment "
            "or the certificates of the process, and httpd's configuration does not set it to this value\" "
            "remedy=\"SetEnv in httpd's configuration instead of "
            ".htaccess\"",
            options_.groupName(), variable.first);
        ignoredVariables_.push_back(variable.first);
        return true;
    });
    return variables;
}

ExclusiveTurn::Turn SpawnStartup::takeTurn(ExclusiveTurn &exclusive) {
    return explained([&] {
        report_.steps.begin(PRELOADER_FREE);
        ExclusiveTurn::Turn turn(exclusive, deadline_);
        report_.steps.done(PRELOADER_FREE);
        return turn;
    });
}

StartedProcess SpawnStartup::askSpawnServer(const StartRequest &request) {
    report_.steps.begin(SPAWN_SERVER_ASKED);
    try {
        auto started = resources_.manager.start(request, deadline_);
        for (const auto &step : started.steps) {
            report_.steps.wasDone(step.name, step.duration);
        }
        report_.steps.done(SPAWN_SERVER_ASKED);
        return started;
    } catch (const StartRefused &refusal) {
        for (const auto &step : refusal.done()) {
            report_.steps.wasDone(step.name, step.duration);
        }
        report_.steps.begin(refusal.step());
        throw;
    } catch (const TimeoutException &) {
        throw SpawnException("the spawn server did not answer in time");
    } catch (const std::exception &error) {
        if (Passenger::lostContact(error)) {
            throw SpawnException("the spawn server ended twice in a row");
        }
        throw;
    }
}

LoadedProcess SpawnStartup::load(StartRequest::Role role) {
    const auto &plan = this->plan();
    return explained([&] {
        checkNotCancelled();
        StartRequest request = plan.request(role);
        request.userOptions = userOptionsOf(options_);
        if (role == StartRequest::Role::BRIDGE) {
            request.program = resources_.manager.settings().agentProgram;
        }
        if (Rights::ofThisProcess().places()) {
            current_.group = resources_.groups.of(options_, plan.runAs.uid);
            request.forked = [this](pid_t pid) { return limits_.begin(*current_.group, pid); };
        }
        auto started = askSpawnServer(request);
        current_.control = std::move(started.control);
        current_.waitStatus = std::move(started.waitStatus);
        current_.boot = std::move(started.boot);
        current_.output = follow(std::move(started.output), plan.runAs);
        const uid_t uid = plan.runAs.switches() ? plan.runAs.uid : started.parentUid;
        begun(SpawnedProcess(started.pid, {started.parent, uid}));
        limits_.lower(current_.process);

        CancelSwitch::Watch watch(cancel_, current_.control.descriptor());
        const char *const ready = role == StartRequest::Role::BRIDGE ? BRIDGE_READY
                                  : plan.runsPython                  ? PYTHON_READY
                                                                     : RUBY_READY;
        const char *const hello = started.loginShell ? PROFILE_READ : ready;
        report_.steps.begin(hello);
        receiveHello(current_.control, current_.process);
        if (role != StartRequest::Role::BRIDGE) {
            current_.output->setPid(current_.process.pid());
        }
        report_.steps.done(hello);
        // A login shell may have added variables.
        learnFacts();
        loadApplication(current_);
        limits_.end(current_.process);
        current_.boot.succeeded();
        return finished();
    });
}

LoadedProcess SpawnStartup::fork(LoadedProcess &preloader) {
    return explained([&] {
        preloaderWaits_ = true;
        checkNotCancelled();
        current_.group = preloader.group;
        current_.isAsgi = preloader.isAsgi;
        report_.steps.begin(INSTANCE_FORKED);
        forkBegan_ = std::chrono::steady_clock::now();
        awaited_ = &preloader;
        CancelSwitch::Watch watchPreloader(cancel_, preloader.control.descriptor());
        auto ends = ProcessEnds::make();
        current_.control = std::move(ends.control);
        current_.waitStatus = std::move(ends.waitStatus);
        current_.output = follow(std::move(ends.output), plan().runAs);
        CancelSwitch::Watch watch(cancel_, current_.control.descriptor());

        preloader.control.send(Frame(FrameType::FORK), ends.theirs(), deadline_);
        preloaderWaits_ = false;
        ends.closeTheirs();
        const Frame answer = receive(preloader.control);
        if (answer.type == FrameType::FAILED) {
            preloaderWaits_ = true;
            failByProcess(answer);
        }
        answer.expect(FrameType::FORKED, "the preloader sent an unexpected frame");
        awaited_ = &current_;
        const auto pid = static_cast<pid_t>(answer.number(0));
        try {
            begun(SpawnedProcess(pid, {preloader.process.pid(), preloader.process.uid()}));
        } catch (const SystemException &) {
            // The agent cannot look at the process, as without a free descriptor.
            preloaderWaits_ = true;
            throw;
        }
        receiveHello(current_.control, current_.process);
        current_.output->setPid(current_.process.pid());
        report_.steps.done(INSTANCE_FORKED);
        return finished();
    });
}

LoadedProcess SpawnStartup::refork(const WarmInstance &instance) {
    return explained([&] {
        checkNotCancelled();
        current_.group = instance.group;
        report_.steps.begin(PRELOADER_FORKED);
        auto ends = ProcessEnds::make();
        current_.control = std::move(ends.control);
        current_.output = follow(std::move(ends.output), plan().runAs);
        CancelSwitch::Watch watch(cancel_, current_.control.descriptor());

        instance.send(Frame(FrameType::REFORK), {ends.theirControl.get(), ends.theirOutput.get()});
        ends.closeTheirs();
        // The process is identified by the credentials that the kernel attaches.
        const Frame hello = current_.control.receive(deadline_);
        hello.expect(FrameType::PROCESS_HELLO, "the process did not begin with HELLO");
        begun(SpawnedProcess(hello.sender.pid, {instance.pid, instance.origin->uid}));
        current_.output->setPid(hello.sender.pid);
        report_.steps.done(PRELOADER_FORKED);

        report_.steps.begin(MEMORY_PREPARED);
        receive(current_.control).expect(FrameType::LOADED, "the process sent an unexpected frame");
        report_.steps.done(MEMORY_PREPARED);
        return finished();
    });
}

SpawnResult SpawnStartup::adopt(const LeftInstance &instance) {
    const RunAs &owner = plan().runAs;
    current_.output = follow(instance.output.duplicate(), owner);
    current_.control = FrameSocket(instance.control.duplicate());
    SpawnedProcess process(instance.pid, {SpawnedProcess::ANY_PARENT, owner.switches() ? owner.uid : ::geteuid()});
    // If the instance lives, the pid is its own, and so is the pidfd that was opened just now.
    if (!process || waitPidFd(instance.pidFd, std::chrono::milliseconds(0))) {
        static_cast<void>(process.release());
        throw SpawnException("it has ended");
    }
    const pid_t application = instance.hasDescendants ? applicationOf(instance.pid) : 0;
    current_.output->setPid(application != 0 ? application : instance.pid);
    current_.group = instance.group;
    begun(std::move(process));
    SpawnResult result = finished().toResult();
    result.hasDescendants = instance.hasDescendants;
    result.isAsgi = instance.isAsgi;
    return result;
}

ProcessOutputPtr SpawnStartup::follow(FileDescriptor pipe, const RunAs &owner) {
    const uid_t uid = owner.switches() ? owner.uid : ::geteuid();
    if (const std::size_t held = ProcessOutput::heldUp(uid); held > MOST_HELD_PIPES) {
        throw SpawnException(
            fmt::format("processes of user {} keep the agent from reading the output of {} processes", uid, held));
    }
    return std::make_shared<ProcessOutput>(resources_.loop, std::move(pipe), uid,
                                           resources_.outputs.sinkFor(options_.logFile, owner),
                                           resources_.outputLimits.of(options_));
}

void SpawnStartup::begun(SpawnedProcess process) {
    current_.process = std::move(process);
    learnFacts();
}

/**
 * Reads the process's facts. A Ruby that sets its process title overwrites the environment that the
 * kernel shows. So the known variables keep their values, and only new ones are added.
 */
void SpawnStartup::learnFacts() {
    auto facts = factsOf(current_.process.pid());
    // The process has not ended, so the pid still belonged to it during the read.
    if (!current_.process.ended()) {
        std::swap(report_.process, facts);
        report_.process.environment.swap(facts.environment);
        report_.process.environment.merge(facts.environment);
    }
}

LoadedProcess SpawnStartup::finished() {
    current_.report = report_;
    return std::move(current_);
}

void SpawnStartup::loadApplication(LoadedProcess &process) {
    report_.steps.begin(APPLICATION_LOADED);
    auto options = options_.toMap();
    for (const std::string &name : ignoredVariables_) {
        options.erase(std::string(Options::VARIABLE_PREFIX) + name);
    }
    options["layout_version"] = std::to_string(unsigned{LAYOUT_VERSION});
    if (options_.startsByBridge()) {
        const auto settings = resources_.manager.settings();
        // The folder may have changed since the settings were received.
        Rights::ofThisProcess().prepareSpawnDir(settings.spawnDir);
        options["spawn_dir"] = settings.spawnDir;
        options["seccomp"] = text(settings.seccomp);
        const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_.time_since_epoch());
        options["start_deadline"] = std::to_string(deadline.count());
    }
    process.control.send(Frame::of(FrameType::LOAD, options), deadline_);
    const Frame answer = receive(process.control);
    if (answer.type == FrameType::FAILED) {
        failByProcess(answer);
    }
    answer.expect(FrameType::LOADED, "the process sent an unexpected frame");
    process.isAsgi = options_.runsPython() && !answer.fields.empty() && answer.field(0) == ASGI;
    report_.steps.done(APPLICATION_LOADED);
    if (options_.startsByBridge()) {
        // A shell has started it by now.
        nameOutput();
    }
}

Frame SpawnStartup::receiveInTime(FrameSocket &control) {
    for (auto due = limits_.due(); due && *due < deadline_; due = limits_.due()) {
        try {
            return control.receive(*due);
        } catch (const TimeoutException &) {
            limits_.check(current_.process);
        }
    }
    return control.receive(deadline_);
}

Frame SpawnStartup::receive(FrameSocket &control) {
    for (unsigned steps = 0; steps < MOST_STEPS; ++steps) {
        Frame frame = receiveInTime(control);
        if (frame.type != FrameType::STEP) {
            return frame;
        }
        report_.steps.report(frame);
        if (options_.startsByBridge() && frame.field(0) == COMMAND_STARTED && frame.field(1) == "done") {
            nameOutput();
        }
    }
    throw ProtocolException("the process tells of more than " + std::to_string(MOST_STEPS) + " steps");
}

/** The lines of an application behind a bridge are its own, and not its bridge's. */
void SpawnStartup::nameOutput() {
    const pid_t application = applicationOf(current_.process.pid());
    current_.output->setPid(application != 0 ? application : current_.process.pid());
}

void SpawnStartup::receiveHello(FrameSocket &control, const SpawnedProcess &process) {
    const Frame hello = receiveInTime(control);
    hello.expect(FrameType::PROCESS_HELLO, "the process did not begin with HELLO");
    process.confirm(hello.sender);
}

void SpawnStartup::checkNotCancelled() const {
    if (cancel_.cancelled()) {
        throw SpawnException("the start was cancelled");
    }
}

void SpawnStartup::failByProcess(const Frame &failed) {
    report_.failedBy(failed);
    throw SpawnException(report_.summary);
}

template <typename Part> auto SpawnStartup::explained(Part part) -> decltype(part()) {
    try {
        return part();
    } catch (const std::exception &e) {
        fail(e);
    }
}

void SpawnStartup::fail(const std::exception &e) {
    report_.timedOut =
        dynamic_cast<const TimeoutException *>(&e) != nullptr && std::chrono::steady_clock::now() >= deadline_;
    forkWasLate_ = report_.timedOut && report_.steps.current() == INSTANCE_FORKED &&
                   std::chrono::steady_clock::now() - forkBegan_ >= options_.startTimeout / 2;
    lostContact_ = Passenger::lostContact(e) && !cancel_.cancelled();
    const std::string tooManyTasks = limits_.tooManyTasks(current_.process);
    if (awaited_->output) {
        endProcess();
    }
    report_.mayPass = mayPass(e);
    report_.summary = explain(e) + tooManyTasks;
    report_.steps.fail();
    const auto *explained = dynamic_cast<const SpawnException *>(&e);
    if (explained != nullptr && !explained->report().empty()) {
        report_.details = explained->report();
    }
    current_ = LoadedProcess();
    awaited_ = &current_;
    SpawnReport next{.steps = report_.steps, .runAs = report_.runAs, .process = report_.process};
    throw std::exchange(report_, std::move(next)).toException(options_);
}

void SpawnStartup::endProcess() {
    LoadedProcess &process = *awaited_;
    const pid_t pid = process.process.pid();
    collectPostMortem(report_,
                      {process.process.pidFd(), process.waitStatus, *process.output, !options_.startsByBridge()},
                      lostContact_);
    current_.process.kill();
    current_.boot.sweep();
    if (options_.startsByBridge() && pid != 0) {
        resources_.manager.removeSocketFolders(pid);
    }
    process.output->setPid(pid);
}

/** The spawn server failed, or a fork: the application has no process yet, or its preloader
 *  lives. */
bool SpawnStartup::mayPass(const std::exception &e) {
    const std::string step = report_.steps.current();
    const bool forks = step == PROCESS_FORKED || step == PRELOADER_FORKED;
    return !cancel_.cancelled() && ((preloaderWaits_ && step == INSTANCE_FORKED) || step == SPAWN_SERVER_ASKED ||
                                    (forks && dynamic_cast<const StartRefused *>(&e) != nullptr));
}

std::string SpawnStartup::explain(const std::exception &e) {
    const std::string step = report_.steps.current();
    if (cancel_.cancelled()) {
        return "the start was cancelled";
    }
    if (report_.timedOut) {
        return fmt::format("the application was not ready within {} seconds; the step \"{}\" had not ended",
                           options_.startTimeout.count(), step);
    }
    if (lostContact_) {
        const bool shellFailed = shellFoundNoInterpreter({.step = step, .waitStatus = report_.waitStatus});
        return fmt::format(
            "the process {} during the step \"{}\"{}", howItEnded(report_.waitStatus), step,
            shellFailed && !options_.startsByBridge() ? ": the shell could not execute " + plan().interpreter : "");
    }
    if (dynamic_cast<const SpawnException *>(&e) != nullptr) {
        return firstLine(e.what());
    }
    return fmt::format("the step \"{}\" failed: {}", step, e.what());
}

}  // namespace Passenger
