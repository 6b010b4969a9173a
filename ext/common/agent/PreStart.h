#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "agent/EndableThread.h"
#include "base/FileDescriptor.h"
#include "io/AgentSettings.h"
#include "rights/Rights.h"

namespace Passenger {

/**
 * PassengerPreStart: a helper process requests the URLs (lib/passenger/spawn/pre_start.rb). The
 * helper runs as the default user. The requests pass httpd, so its configuration also applies to
 * the start.
 *
 * A URL that was answered with a status below 500 is not requested again, unless no application has
 * an instance left. Owned by the engine. The methods are for one thread, which may block. The
 * destructor ends a helper that still runs.
 */
class PreStart {
public:
    /** @param ended all URLs have been requested, whatever the answers, or have had their time.
     *  Called in another thread or within ask(), also twice; outlives this object */
    explicit PreStart(std::function<void()> ended);

    /**
     * Requests the URLs that were not answered yet. A request in progress begins anew. @param
     * forget request all URLs again
     *
     * @throws SystemException, boost::thread_resource_error
     */
    void ask(const AgentSettings &settings, bool forget);
    /** A part of the thread's work, by itself for tests. Reads until the helper's output ends, no
     *  line has come for `longest`, or `ending` is readable. All URLs together have had their time
     *  after `longest`. @param urls that the helper requests @return false: `ending` is */
    bool follow(const FileDescriptor &output, const FileDescriptor &ending, std::set<std::string> urls,
                std::chrono::milliseconds longest);

private:
    void run(PreStartHelper start, const FileDescriptor &ending);
    std::string take(std::string_view line);

    const std::function<void()> ended_;
    /** The URLs that were answered. The thread's own while it runs. */
    std::set<std::string> up_;
    EndableThread thread_;
};

}  // namespace Passenger
