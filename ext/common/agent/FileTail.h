#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/LineReader.h"
#include "rights/AppFile.h"
#include "rights/UserResolver.h"

namespace Passenger {

/**
 * The new lines of a file that other programs write, as `tail -F` gives them. A rename, a
 * replacement and a truncation of the file are followed. The first file is read from its present
 * end; a later file of the same name is read from its beginning. A file of size 0 is treated as
 * empty, even if bytes can be read from it.
 *
 * Not thread-safe. Blocks on the file system.
 */
class FileTail {
public:
    using LineCallback = LineReader::LineCallback;

    /** @param owners the user whose rights open the file (see AppFile), once for each application
     *  that names the file: the rights process may refuse the options of one of them
     *  @param namedBy see AppFile */
    FileTail(std::string path, std::vector<RunAs> owners, AppFile::NamedBy namedBy);

    /** Calls back for new lines, up to `most` bytes. @return whether more has been written
     *  already */
    bool read(std::size_t most, const LineCallback &line);
    /** Calls back for all that is left, even for a last line without a line break. No call
     *  follows. */
    void finish(const LineCallback &line);
    /** The same user, by newer options. */
    void use(const std::vector<RunAs> &owners) { owners_ = owners; }
    const std::string &path() const noexcept { return path_; }

private:
    void open(bool atEnd);
    FileDescriptor named();
    bool replaced();
    void skipMuch(off_t size);

    const std::string path_;
    std::vector<RunAs> owners_;
    const AppFile::NamedBy namedBy_;
    FileDescriptor file_;
    off_t position_ = 0;
    LineReader lines_;
    /** The reason why the file cannot be opened has been logged. */
    bool complained_ = false;
};

}  // namespace Passenger
