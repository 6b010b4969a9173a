#include "bridge/Bridge.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/ProcessTree.h"
#include "bridge/Application.h"
#include "bridge/ControlSocket.h"
#include "bridge/EventLog.h"
#include "bridge/Instance.h"
#include "bridge/NodeInstance.h"
#include "confinement/Confinement.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Names of steps in reports.
constexpr const char *WORKING_DIRECTORY = "working directory";
constexpr const char *COMMAND_STARTED = "command started";
constexpr const char *LISTENING = "application listens";

constexpr auto FOREVER = std::chrono::hours(24 * 365);

/** The agent's deadline of the start, in milliseconds of CLOCK_MONOTONIC. */
constexpr const char *START_DEADLINE = "start_deadline";

milliseconds startTimeout(const Application::Options &options) {
    return std::chrono::seconds(std::stoul(options.at("start_timeout")));
}

/** During an upgrade an older agent names no deadline. */
void completeDeadline(Application::Options &options) {
    const auto deadline = deadlineIn(startTimeout(options)).time_since_epoch();
    options.try_emplace(START_DEADLINE, std::to_string(std::chrono::duration_cast<milliseconds>(deadline).count()));
}

/** The bridge gives up sooner than the agent, because the bridge's report says more. */
steady_clock::time_point deadlineOf(const Application::Options &options) {
    return steady_clock::time_point(milliseconds(std::stoll(options.at(START_DEADLINE)))) -
           std::min<milliseconds>(500ms, startTimeout(options) / 4);
}

/** Runs a step of the start, and reports it to the agent. */
template <typename Part> auto step(ControlSocket &control, const char *name, Part part) {
    const auto began = steady_clock::now();
    const auto tell = [&](const char *state) {
        const auto spent = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
        control.send(Frame(FrameType::STEP, {name, state, std::to_string(spent.count())}));
    };
    tell("begin");
    try {
        auto result = part();
        tell("done");
        return result;
    } catch (const StartFailure &failure) {
        const std::string reason = failure.what();
        // The agent logs the report, which has all lines.
        EventLog::write("app.load_failed", fmt::format("step=\"{}\" reason={}", name,
                                                       EventLog::inQuotes(failure.exceptionClass +
                                                                          (failure.exceptionClass.empty() ? "" : ": ") +
                                                                          reason.substr(0, reason.find('\n')))));
        tell("failed");
        Frame failed(FrameType::FAILED, {name, failure.exceptionClass, reason, failure.backtrace});
        if (failure.status) {
            failed.add(std::to_string(*failure.status));
        }
        control.send(failed);
        throw;
    }
}

void enter(const std::string &folder) {
    if (chdir(folder.c_str()) != 0) {
        throw StartFailure(SystemException("the folder \"" + folder + "\" cannot be entered", errno).what());
    }
}

/**
 * From now on the bridge only talks with the agent, httpd's children and the application. The
 * keeper and the application's processes exist already, so they have no such limits.
 */
void confineTo(const AppAddress &address, const Application::Options &options) {
    Confinement limits;
    limits.tcp = address.port() != 0;
    if (limits.tcp) {
        limits.ports = {address.port()};
    }
    // An agent without root's rights reads the bridge's memory in /proc, as the same user.
    limits.dumpable = true;
    limits.seccomp = seccompModeIn(optionNamed("seccomp", options)).value_or(SeccompMode::ON);
    try {
        confine(limits);
    } catch (const std::exception &error) {
        throw StartFailure(
            fmt::format("the bridge cannot limit its own rights: {}. PassengerSeccomp \"{}\" asks for "
                        "it; \"off\" does without system call filters and Landlock",
                        error.what(), text(limits.seccomp)));
    }
}

/** Nothing: the agent no longer wants the application. */
std::optional<Application> start(ControlSocket &control, const Application::Options &options,
                                 const std::string &library) {
    const auto deadline = deadlineOf(options);
    std::optional<Application> application;
    step(control, COMMAND_STARTED, [&] {
        application.emplace(options, library);
        application->start();
        return true;
    });
    const bool wanted = step(control, LISTENING, [&] {
        const bool accepts = application->awaitAccepting(control.descriptor(), deadline);
        if (accepts) {
            confineTo(application->address(), options);
        }
        return accepts;
    });
    if (!wanted) {
        application->finish();
        application.reset();
    }
    return application;
}

/** The next frame, which must have this type. Nothing: the agent has gone. */
std::optional<Frame> expect(ControlSocket &control, FrameType type) {
    Frame frame = control.receive(deadlineIn(FOREVER));
    if (frame.type == FrameType::FINISH) {
        return std::nullopt;
    }
    frame.expect(type, "the agent sent an unexpected frame");
    return frame;
}

/** During an upgrade an agent, or a Node, of another version may start this program. */
void checkVersion(const Application::Options &options) {
    const auto agents = options.find("layout_version");
    const auto own = std::to_string(unsigned{LAYOUT_VERSION});
    if (agents != options.end() && agents->second != own) {
        throw ProtocolException(fmt::format(
            "the agent has version {} of the layouts, the installed files have {}: reload httpd", agents->second, own));
    }
}

std::string libraryOf(const std::string &program) {
    return std::filesystem::path(program).parent_path() / "lib/passenger";
}

/** From the start of the application on. */
int serve(ControlSocket &control, const Application::Options &options, const std::string &library) {
    auto application = start(control, options, library);
    if (!application) {
        return EXIT_SUCCESS;
    }
    control.send(Frame(FrameType::LOADED));
    try {
        if (auto frame = expect(control, FrameType::SERVE)) {
            Instance(control, *application, std::move(*frame)).run();
        }
    } catch (const EndOfFileException &) {
        // The agent has gone or no longer wants the instance: like FINISH.
    }
    application->finish();
    return EXIT_SUCCESS;
}

int begin(ControlSocket &control, const std::string &program) {
    control.send(Frame(FrameType::PROCESS_HELLO, {std::to_string(getpid())}));
    const auto load = expect(control, FrameType::LOAD);
    if (!load) {
        return EXIT_SUCCESS;
    }
    Application::Options options = load->map(0);
    completeDeadline(options);
    EventLog::setApplication(options.at("app_group_name"));
    checkVersion(options);
    step(control, WORKING_DIRECTORY, [&] {
        enter(options.at("app_root"));
        return true;
    });
    if (NodeInstance::isWanted(options, program)) {
        step(control, COMMAND_STARTED, [&]() -> bool { NodeInstance::become(options, control.descriptor(), program); });
    }
    return serve(control, options, libraryOf(program));
}

/** @param work returns the exit status */
template <typename Work> int runWith(FileDescriptor descriptor, Work work) {
    ::prctl(PR_SET_NAME, "passenger-bridg");
    // The bridge ignores SIGQUIT; the application handles it as it likes.
    ::signal(SIGQUIT, SIG_IGN);
    Instance::prepareProcess();
    ControlSocket control(std::move(descriptor));
    try {
        return work(control);
    } catch (const EndOfFileException &) {
        return EXIT_SUCCESS;
    } catch (const StartFailure &) {
        return EXIT_FAILURE;
    }
}

}  // namespace

int run(FileDescriptor descriptor, const std::string &program) {
    return runWith(std::move(descriptor), [&](ControlSocket &control) { return begin(control, program); });
}

int runAgain(FileDescriptor descriptor, const std::string &program, Application::Options options) {
    completeDeadline(options);
    EventLog::setApplication(options.at("app_group_name"));
    constexpr auto KILL_LIMIT = 5s;
    killDescendants(KILL_LIMIT);
    enter(options.at("app_root"));
    return runWith(std::move(descriptor), [&](ControlSocket &control) {
        checkVersion(options);
        return serve(control, options, libraryOf(program));
    });
}

}  // namespace Passenger::Bridge
