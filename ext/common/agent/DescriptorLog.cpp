#include "agent/DescriptorLog.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <exception>
#include <filesystem>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/LocalTime.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds INTERVAL = std::chrono::minutes(1);

std::string listing(const std::string &reason) {
    std::map<int, std::string> open;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const auto target = std::filesystem::read_symlink(entry.path(), gone);
        if (!gone) {
            open[std::stoi(entry.path().filename())] = target.string();
        }
    }
    return sumOf(fmt::format("{:%Y-%m-%d %H:%M:%S} pid={} reason={} descriptors={}\n", localTime(std::time(nullptr)),
                             ::getpid(), reason, open.size()),
                 open, [](const auto &one) { return fmt::format("  {} {}\n", one.first, one.second); });
}

void append(const std::string &path, const std::string &reason) {
    try {
        const FileDescriptor file = Rights::ofThisProcess().openDescriptorLog(path);
        const std::string text = listing(reason);
        if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
            throw SystemException(path, errno);
        }
    } catch (const std::exception &error) {
        Log::error("event=descriptor_log.failed error=\"{}\" directive=PassengerFileDescriptorLogFile", error.what());
    }
}

}  // namespace

void DescriptorLog::use(const std::string &path, const std::string &reason) {
    thread_.end();
    if (path.empty()) {
        return;
    }
    append(path, reason);
    thread_.start("descriptor log", [path](const FileDescriptor &ending) {
        pollfd entry{ending.get(), POLLIN, 0};
        while (::poll(&entry, 1, static_cast<int>(INTERVAL.count())) <= 0) {
            append(path, "minute");
        }
    });
}

}  // namespace Passenger
