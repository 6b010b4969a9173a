#include "bridge/NodeInstance.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/NodePackage.h"
#include "bridge/AppAddress.h"
#include "bridge/AppCommand.h"
#include "bridge/Application.h"
#include "bridge/EventLog.h"
#include "io/Frame.h"
#include "io/FrameReader.h"

namespace Passenger::Bridge::NodeInstance {

namespace {

/** The descriptors that the loader expects. */
constexpr int CONTROL = 3;
constexpr int OPTIONS = 4;

/** Keys that the loader gets beside those of LOAD. */
constexpr const char *NATIVE_CODE = "native_code";
constexpr const char *BRIDGE = "bridge";
constexpr const char *SHOWN_COMMAND = "shown_command";

constexpr const char *DEFAULT_HOST = "127.0.0.1";

std::filesystem::path nativeCodeOf(const std::string &program) {
    return std::filesystem::path(program).parent_path() / "native/node/passenger_native.node";
}

/** The file has no name and ends with the process. */
FileDescriptor fileWith(const std::string &content) {
    FileDescriptor file(::memfd_create("passenger options", MFD_CLOEXEC));
    if (!file || ::pwrite(file.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
        throw SystemException("memfd_create", errno);
    }
    return file;
}

/** As a frame LOAD. */
std::string encoded(const Options &options) {
    return Frame::of(FrameType::LOAD, options).encode();
}

std::vector<char *> pointersTo(const std::vector<std::string> &texts) {
    std::vector<char *> result;
    result.reserve(texts.size() + 1);
    for (const std::string &text : texts) {
        result.push_back(const_cast<char *>(text.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

/** Node begins as if a shell had started it: in its own process group, and no signal is blocked. */
void execute(const AppCommand &command, int control, const FileDescriptor &options) {
    std::vector<std::string> arguments{command.program};
    arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGQUIT, SIG_DFL);
    // A copy is not closed by exec.
    const FileDescriptor copy(::fcntl(options.get(), F_DUPFD_CLOEXEC, OPTIONS + 1));
    const int flags = ::fcntl(control, F_GETFD);
    if (!copy || (control == CONTROL ? ::fcntl(control, F_SETFD, flags & ~FD_CLOEXEC) : ::dup2(control, CONTROL)) < 0 ||
        ::dup2(copy.get(), OPTIONS) < 0) {
        throw SystemException("dup2", errno);
    }
    ::execvpe(command.program.c_str(), pointersTo(arguments).data(), pointersTo(command.environment).data());
    const int error = errno;
    ::fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    ::close(OPTIONS);
    throw StartFailure(fmt::format("the command \"{}\" could not be started: {}", command.text(), strerror(error)));
}

bool replacesNodeOptions(const std::string &script) {
    const auto has = [&](const char *part) { return script.find(part) != std::string::npos; };
    return has("NODE_OPTIONS") && !has("$NODE_OPTIONS") && !has("${NODE_OPTIONS");
}

}  // namespace

bool isWanted(const Options &options, const std::string &program) {
    if (optionNamed("app_type", options) != "node" || !optionNamed("start_command", options).empty() ||
        optionNamed("env:PASSENGER_NATIVE", options) == "off") {
        return false;
    }
    if (!AppCommand::startsNode(options)) {
        const std::string script = NodePackage::of(optionNamed("app_root", options, ".")).start;
        EventLog::write("node.bridged",
                        replacesNodeOptions(script)
                            ? "reason=\"the script of package.json sets NODE_OPTIONS, so its server must listen on "
                              "PORT\" remedy=\"remove NODE_OPTIONS from the script, and set it by SetEnv\""
                            : "reason=\"the script of package.json starts something else than node FILE\"");
        return false;
    }
    if (::access(nativeCodeOf(program).c_str(), R_OK) != 0) {
        EventLog::write("node.bridged", fmt::format("reason=\"there is no native code, {}\" remedy=\"configure and "
                                                    "build with Node's headers (Debian: libnode-dev)\"",
                                                    nativeCodeOf(program).string()));
        return false;
    }
    return true;
}

void become(const Options &options, int control, const std::string &program) {
    const std::string library = std::filesystem::path(program).parent_path() / "lib/passenger";
    AppCommand command;
    FileDescriptor file;
    try {
        const auto port = AppAddress::unusedPort(optionNamed("instance_address", options, DEFAULT_HOST));
        command = AppCommand::fromOptions(options, library, port, "");
        Options all = options;
        all[NATIVE_CODE] = nativeCodeOf(program);
        all[BRIDGE] = program;
        all[SHOWN_COMMAND] = command.text();
        file = fileWith(encoded(all));
    } catch (const std::exception &error) {
        throw StartFailure(error.what());
    }
    command.tell();
    command.environment.push_back(fmt::format("PASSENGER_INSTANCE={}", getpid()));
    execute(command, control, file);
    throw StartFailure("not reached");
}

Options keptOptions() {
    struct stat status {};
    const FileDescriptor file(OPTIONS);
    throwUnless(::fstat(file.get(), &status) == 0, "the options of the application");
    std::string content(static_cast<std::size_t>(status.st_size), '\0');
    throwUnless(::pread(file.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()),
                "the options of the application");
    FrameReader reader;
    reader.feed(content, {});
    const auto frame = reader.next();
    if (!frame) {
        throw ProtocolException("the options of the application have no end");
    }
    return frame->map(0);
}

}  // namespace Passenger::Bridge::NodeInstance
