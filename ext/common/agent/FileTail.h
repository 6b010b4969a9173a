#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "io/LineReader.h"
#include "spawning/AppFile.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * The new lines of a file that others write, as `tail -F` has them: over its renaming, when another one comes in its place, and its
 * truncation. It begins at the present end; a file that comes later is read from its beginning. One whose size is 0 is empty, whatever can be
 * read from it.
 *
 * Not thread-safe. Blocks on the file system.
 */
class FileTail {
public:
    using LineCallback = LineReader::LineCallback;

    /** @param owner with whose rights it is looked for and opened, and by whom it is named: AppFile */
    FileTail(std::string path, RunAs owner, AppFile::NamedBy namedBy);

    /** Calls back for lines that came since, of at most `most` bytes. @return whether there is more already */
    bool read(std::size_t most, const LineCallback &line);
    /** Calls back for all that came since, with or without a line break at its end. Nothing follows. */
    void finish(const LineCallback &line);
    const std::string &path() const noexcept {
        return path_;
    }

private:
    void open(bool atEnd);
    FileDescriptor named();
    bool replaced();
    void skipMuch(off_t size);

    const std::string path_;
    const RunAs owner_;
    const AppFile::NamedBy namedBy_;
    FileDescriptor file_;
    off_t position_ = 0;
    LineReader lines_;
    /** Told already why it cannot be opened. */
    bool complained_ = false;
};

}  // namespace Passenger
