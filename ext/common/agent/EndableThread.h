#pragma once

#include <functional>

#include "base/FileDescriptor.h"
#include "loop/Thread.h"

namespace Passenger {

/**
 * A thread whose work can be told to end. The work must poll `ending` with all other descriptors
 * that it waits for, and must return when `ending` is readable.
 *
 * The methods are for one thread, which is not the thread itself. The thread ends with the object.
 */
class EndableThread {
public:
    using Work = std::function<void(const FileDescriptor &ending)>;

    /** @throws SystemException */
    EndableThread();
    ~EndableThread();
    EndableThread(const EndableThread &) = delete;
    EndableThread &operator=(const EndableThread &) = delete;

    /**
     * Starts the thread; ends the one that runs. @param name a literal of at most 15 characters
     * @param work must not throw
     *
     * @throws boost::thread_resource_error
     */
    void start(const char *name, Work work);
    /** Ends the thread and waits for its end. No effect if none runs. */
    void end() noexcept;

private:
    /** An eventfd. */
    FileDescriptor ending_;
    Thread thread_;
};

}  // namespace Passenger
