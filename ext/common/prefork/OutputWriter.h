#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Writes the output of workers to a descriptor of this process, line by line, with the worker's
 * pid: `4711 STDOUT: hello`. It never waits. It keeps up to WAITING_LIMIT bytes that the descriptor
 * does not take yet. Further lines are lost, and those that meet an error, as of a full disk; the
 * log says how many. Not thread-safe; used on the loop after attach().
 */
class OutputWriter {
public:
    static constexpr std::size_t WAITING_LIMIT = 256 * 1024;

    /**
     * @param descriptor not owned
     * @param name STDOUT or STDERR; static
     */
    OutputWriter(int descriptor, const char *name);
    /** Waits up to a second for the descriptor to take the bytes that wait. */
    ~OutputWriter();
    OutputWriter(const OutputWriter &) = delete;
    OutputWriter &operator=(const OutputWriter &) = delete;

    /**
     * From now on waiting bytes are written as soon as there is room. Before, and after detach(),
     * they are written with the next line.
     */
    void attach(EventLoop &loop);
    void detach();
    void write(pid_t pid, std::string_view line);

private:
    bool writeSome(std::chrono::milliseconds patience);
    void writeOn();
    void lose(std::string_view lines, const char *reason);

    /** That of a terminal, opened anew. */
    const FileDescriptor terminal_;
    const int descriptor_;
    const char *const name_;
    EventLoop *loop_ = nullptr;
    /** Set while bytes wait. */
    std::unique_ptr<DescriptorWatcher> watcher_;
    std::string waiting_;
    /** Lines. */
    std::size_t lost_ = 0;
    /** The last write met an error. */
    bool failing_ = false;
};

}  // namespace Passenger
