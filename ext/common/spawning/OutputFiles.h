#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/Mutex.h"
#include "spawning/AppFile.h"
#include "spawning/ProcessOutput.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * The files of PassengerAppLogFile: what processes of applications print goes there instead of our log. Each is written by a thread of
 * its own, so that a slow disk holds up neither the event loop nor other applications; what it does not take costs lines, as with the log
 * (LogQueue). While a file cannot be opened, our log takes its lines.
 *
 * Owned by the spawner factory. Thread-safe. The destructor waits a second for what is still to be written: not on the event loop.
 */
class OutputFiles {
public:
    OutputFiles() = default;
    ~OutputFiles();
    OutputFiles(const OutputFiles &) = delete;
    OutputFiles &operator=(const OutputFiles &) = delete;

    /** Where output of a process of this application goes. Never blocks. @param path empty: our log (an empty sink)
     *  @param owner whose rights count if others than root may write to the file's folder */
    ProcessOutput::Sink sinkFor(const std::string &path, const RunAs &owner) EXCLUDES(mutex_);
    /** They are opened again before the next line is written. One that cannot be stays what it is.
     *  @param configured the paths that httpd's configuration names, one a line; until the first call there are none */
    void reopen(const std::string &configured) EXCLUDES(mutex_);
    AppFile::NamedBy whoNames(const std::string &path) const EXCLUDES(mutex_);

private:
    class File;

    AppFile::NamedBy whoNamesIt(const std::string &path) const REQUIRES(mutex_);
    void dropUnused() REQUIRES(mutex_);

    mutable Mutex mutex_{Locks::OUTPUT_FILES};
    /** By path and owner. */
    std::map<std::string, std::shared_ptr<File>> files_ GUARDED_BY(mutex_);
    std::set<std::string> configured_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
