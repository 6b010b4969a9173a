#include "apache2/request/SpoolFile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/FileBytes.h"

namespace Passenger {

namespace {

/** For file systems without O_TMPFILE. */
FileDescriptor openAndUnlink(const std::string &folder) {
    std::string path = folder + "/passenger-body.XXXXXX";
    FileDescriptor file(mkostemp(path.data(), O_CLOEXEC));
    if (file) {
        unlink(path.c_str());
    }
    return file;
}

FileDescriptor openUnnamed(const std::string &folder) {
    FileDescriptor file(open(folder.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (!file && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        return openAndUnlink(folder);
    }
    return file;
}

/** On a failure the bytes stay until the last descriptor is closed. */
void empty(int file) noexcept {
    [[maybe_unused]] const int failure = ftruncate(file, 0);
}

}  // namespace

SpoolFile::SpoolFile(SpoolCharge charge) : charge_(std::move(charge)), file_(openUnnamed(folder())) {
    if (!file_) {
        throw SystemException("cannot make a file in " + folder(), errno);
    }
}

SpoolFile::~SpoolFile() {
    if (file_ && application_) {
        DescriptorCloser::closeAfter(&empty, file_.release(), application_);
    }
}

FileDescriptor SpoolFile::reopen() const noexcept {
    char path[32];
    std::snprintf(path, sizeof(path), "/proc/self/fd/%d", file_.get());
    return FileDescriptor(open(path, O_RDONLY | O_CLOEXEC));
}

void SpoolFile::write(std::uint64_t position, std::string_view bytes) {
    charge_.growTo(position + bytes.size());
    if (const int error = FileBytes::write(file_.get(), position, bytes); error != 0) {
        throw SystemException("cannot write to a file in " + folder(), error);
    }
}

void SpoolFile::read(std::uint64_t position, std::span<char> bytes) const {
    if (const int error = FileBytes::read(file_.get(), position, bytes); error != 0) {
        throw SystemException("cannot read from a file in " + folder(), error);
    }
}

}  // namespace Passenger
