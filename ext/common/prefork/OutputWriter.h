#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Writes lines of workers to a descriptor of ours, each with who wrote it: `4711 STDOUT: hello`. Never waits: what the descriptor does not take
 * now is kept, up to WAITING_LIMIT bytes; further lines are lost then, and the log says how many. Not thread-safe; on the loop once it has one.
 */
class OutputWriter {
public:
    static constexpr std::size_t WAITING_LIMIT = 256 * 1024;

    /** @param descriptor not owned  @param name STDOUT or STDERR; static */
    OutputWriter(int descriptor, const char *name) : descriptor_(descriptor), name_(name) {}
    /** Gives the descriptor a second to take what waits. */
    ~OutputWriter();
    OutputWriter(const OutputWriter &) = delete;
    OutputWriter &operator=(const OutputWriter &) = delete;

    /** From now on what waits is written as soon as there is room; before, and after detach(), with the next line. */
    void attach(EventLoop &loop);
    void detach();
    void write(pid_t pid, std::string_view line);

private:
    bool writeSome(std::chrono::milliseconds patience);
    void writeOn();

    const int descriptor_;
    const char *const name_;
    EventLoop *loop_ = nullptr;
    /** While something waits. */
    std::unique_ptr<DescriptorWatcher> watcher_;
    std::string waiting_;
    /** Lines. */
    std::size_t lost_ = 0;
};

}  // namespace Passenger
