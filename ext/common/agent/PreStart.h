#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/EndableThread.h"
#include "base/ChildProcess.h"
#include "base/FileDescriptor.h"
#include "io/AgentSettings.h"

namespace Passenger {

/**
 * PassengerPreStart: has httpd asked for URLs by a helper process (lib/passenger/spawn/pre_start.rb), which runs as the default user. So the
 * requests go through httpd, and whatever its configuration says of them holds for the start, too.
 *
 * A URL that was answered with a status below 500 is not asked again, unless no instance is left of any application. Owned by the engine;
 * the methods are for one thread, which may block. The destructor ends a helper that still runs.
 */
class PreStart {
public:
    /** Asks for those that are not up. One that is still being asked for begins anew. @param forget all have to be asked for again
     *  @throws SystemException, boost::thread_resource_error */
    void ask(const AgentSettings &settings, bool forget);

private:
    void run(const ChildProcess::Command &command, const FileDescriptor &ending);
    /** Until the helper's output ends, or it takes too long, or nobody wants it any more. */
    void follow(const FileDescriptor &output, const FileDescriptor &ending);
    void take(std::string_view line);

    /** The thread's while it runs. */
    std::set<std::string> up_;
    EndableThread thread_;
};

}  // namespace Passenger
