#include "commands/ProgramOutput.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/ChildProcess.h"
#include "base/CleanEnvironment.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/Split.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds INTERVAL{50};
/** A killed process that has not ended by then waits in the kernel, as for a lock of a folder that
 *  another process holds. */
constexpr std::chrono::milliseconds END_PATIENCE{2000};
/** Bytes. Beyond them the program is killed. */
constexpr std::size_t LONGEST = std::size_t{64} * 1024 * 1024;

/** What httpd's configuration refers to, as Debian's envvars sets it. */
std::vector<std::string> environmentWithoutSecrets() {
    std::vector<std::string> environment = cleanEnvironment();
    for (char **variable = environ; *variable != nullptr; variable++) {
        if (std::string_view(*variable).starts_with("APACHE_")) {
            environment.emplace_back(*variable);
        }
    }
    return environment;
}

}  // namespace

ProgramOutput ProgramOutput::of(const std::string &program, const std::vector<std::string> &arguments, Trust trust,
                                std::chrono::milliseconds patience) {
    ProgramOutput output;
    auto [reading, writing] = makePipe();
    ChildProcess::Command command;
    command.program = program;
    command.arguments = arguments;
    if (trust == Trust::NONE) {
        command.newSession = true;
        command.environment = environmentWithoutSecrets();
    }
    // A signal that ends this command does not reach a session of the program's own.
    command.parentDeathSignal = SIGKILL;
    command.descriptors = {{writing.get(), STDOUT_FILENO}, {writing.get(), STDERR_FILENO}};
    ChildProcess process;
    try {
        process = ChildProcess(command);
    } catch (const SystemException &error) {
        output.text = error.what();
        return output;
    }
    writing.reset();
    const auto deadline = deadlineIn(patience);
    std::array<char, 4096> buffer;
    const pid_t pid = process.pid();
    const auto readUntil = [&, fd = reading.get()](std::chrono::steady_clock::time_point date) {
        if (output.text.size() >= LONGEST || !pollUntil(fd, POLLIN, date)) {
            return false;
        }
        const ssize_t size = ::read(fd, buffer.data(), buffer.size());
        output.text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return size > 0;
    };
    std::optional<int> status;
    while (!status && std::chrono::steady_clock::now() < deadline && output.text.size() < LONGEST) {
        // A process that the program has left behind may keep the pipe open.
        if (!readUntil(deadlineIn(INTERVAL))) {
            status = process.wait(INTERVAL);
        }
    }
    while (status && readUntil(std::chrono::steady_clock::now())) {
    }
    output.succeeded = status == 0;
    output.cutOff = !status;
    if (trust == Trust::NONE) {
        ::kill(-pid, SIGKILL);
    }
    process.killWithin(END_PATIENCE);
    while (!output.text.empty() && output.text.back() == '\n') {
        output.text.pop_back();
    }
    return output;
}

std::string ProgramOutput::firstLine() const {
    constexpr std::size_t LONGEST_LINE = 500;
    constexpr std::size_t LOOKED_AT = 65536;
    for (const std::string &line : split(std::string_view(text).substr(0, LOOKED_AT), '\n')) {
        std::string shown = singleLine(line.substr(0, LONGEST_LINE));
        if (shown.find_first_not_of(' ') != std::string::npos) {
            return shown;
        }
    }
    return "it printed nothing";
}

std::string findProgram(const std::vector<std::string> &names) {
    const char *const path = std::getenv("PATH");
    const std::string folders = std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/local/sbin:/sbin";
    for (const std::string &name : names) {
        for (const std::string &folder : split(folders, ':')) {
            std::string file = fmt::format("{}/{}", folder, name);
            if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) {
                return file;
            }
        }
    }
    return {};
}

}  // namespace Passenger
