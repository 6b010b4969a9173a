#include "commands/ProgramOutput.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/Split.h"

namespace Passenger {

ProgramOutput ProgramOutput::of(const std::string &program, const std::vector<std::string> &arguments) {
    ProgramOutput output;
    auto [reading, writing] = makePipe();
    ChildProcess::Command command;
    command.program = program;
    command.arguments = arguments;
    command.descriptors = {{writing.get(), STDOUT_FILENO}, {writing.get(), STDERR_FILENO}};
    ChildProcess process;
    try {
        process = ChildProcess(command);
    } catch (const SystemException &error) {
        output.text = error.what();
        return output;
    }
    writing.reset();
    const auto deadline = deadlineIn(PATIENCE);
    std::array<char, 4096> buffer;
    while (pollUntil(reading.get(), POLLIN, deadline)) {
        const ssize_t size = ::read(reading.get(), buffer.data(), buffer.size());
        if (size <= 0) {
            output.succeeded = process.wait(PATIENCE) == 0;
            break;
        }
        output.text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    while (!output.text.empty() && output.text.back() == '\n') {
        output.text.pop_back();
    }
    return output;
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
