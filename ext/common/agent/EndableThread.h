#pragma once

#include <functional>

#include "base/FileDescriptor.h"
#include "loop/Thread.h"

namespace Passenger {

/**
 * A thread that waits for things and can be told to end. Its work has to poll `ending` beside all else that it waits for, and to return when that
 * is readable.
 *
 * The methods are for one thread, not for the work. It ends with the object.
 */
class EndableThread {
public:
    using Work = std::function<void(const FileDescriptor &ending)>;

    /** @throws SystemException */
    EndableThread();
    ~EndableThread();
    EndableThread(const EndableThread &) = delete;
    EndableThread &operator=(const EndableThread &) = delete;

    /** Instead of the one that runs, if there is one. @param name 15 letters at most, a literal @param work must not throw
     *  @throws boost::thread_resource_error */
    void start(const char *name, Work work);
    /** Waits until it has; nothing where none runs. */
    void end() noexcept;

private:
    /** An eventfd. */
    FileDescriptor ending_;
    Thread thread_;
};

}  // namespace Passenger
