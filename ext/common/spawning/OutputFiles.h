#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/Mutex.h"
#include "rights/AppFile.h"
#include "rights/UserResolver.h"
#include "spawning/ProcessOutput.h"

namespace Passenger {

/**
 * The files of PassengerAppLogFile. They get the output of application processes instead of the
 * agent's log. Each file has its own thread, so that a slow disk delays neither the event loop nor
 * other applications. If a file is too slow, lines are dropped, as in the log (LogQueue). While a
 * file cannot be opened, the agent's log gets its lines.
 *
 * Owned by AppResources. Thread-safe. The destructor waits up to a second for the remaining
 * lines: not on the event loop.
 */
class OutputFiles {
public:
    OutputFiles() = default;
    ~OutputFiles();
    OutputFiles(const OutputFiles &) = delete;
    OutputFiles &operator=(const OutputFiles &) = delete;

    /**
     * The sink for the output of a process of this application. Never blocks.
     * @param path empty: the agent's log (an empty sink)
     * @param owner whose rights are used if others than root may write to the file's folder
     * @throws boost::thread_resource_error
     */
    ProcessOutput::Sink sinkFor(const std::string &path, const RunAs &owner) EXCLUDES(mutex_);
    /** Its application has newer options, and its processes go on. */
    void use(const std::string &path, const RunAs &owner) EXCLUDES(mutex_);
    /**
     * Each file is reopened before its next lines are written. If that fails, the file that is open
     * stays in use.
     * @param configured the paths that httpd's configuration names, one a line; none before the
     *     first call
     */
    void reopen(const std::string &configured) EXCLUDES(mutex_);
    AppFile::NamedBy whoNames(const std::string &path) const EXCLUDES(mutex_);

private:
    class File;

    static std::string keyOf(const std::string &path, const RunAs &owner);
    AppFile::NamedBy whoNamesIt(const std::string &path) const REQUIRES(mutex_);
    void dropUnused() REQUIRES(mutex_);

    mutable Mutex mutex_{Locks::OUTPUT_FILES};
    /** By path and owner; none is null. */
    std::map<std::string, std::shared_ptr<File>> files_ GUARDED_BY(mutex_);
    std::set<std::string> configured_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
