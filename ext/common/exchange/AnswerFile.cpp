#include "exchange/AnswerFile.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "base/FileBytes.h"

namespace Passenger {

namespace {

bool canBeRead(int file) noexcept {
    const int flags = fcntl(file, F_GETFL);
    const int access = flags & O_ACCMODE;
    return flags >= 0 && (flags & (O_PATH | O_DIRECT)) == 0 && (access == O_RDONLY || access == O_RDWR);
}

/**
 * The kernel itself knows these of a file that is of tmpfs, or whose file system says whether a
 * read would wait. FUSE and network file systems do not. fstatfs() would ask their processes and
 * servers, so it comes after this.
 */
bool isLocal(int file) noexcept {
    char byte;
    const iovec part{&byte, 1};
    return fcntl(file, F_GET_SEALS) >= 0 || preadv2(file, &part, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN;
}

/**
 * Whether a read waits for the disk only. A read of XFS also waits for a process that writes to the
 * file, and that process may wait for ever for its own memory. A read of overlayfs waits for the
 * file systems below it.
 */
bool readsAtOnce(int file) noexcept {
    struct statfs facts;
    if (!isLocal(file) || fstatfs(file, &facts) != 0) {
        return false;
    }
    // int on 32-bit processors
    const auto type = static_cast<std::uint32_t>(facts.f_type);
    return type == EXT4_SUPER_MAGIC || type == BTRFS_SUPER_MAGIC || type == TMPFS_MAGIC;
}

}  // namespace

const char *AnswerFile::problemOf(const FileDescriptor &file, FileRange range) noexcept {
    if (!canBeRead(file.get())) {
        return "the descriptor of the answer's file is not open for ordinary reading";
    }
    // What the kernel knows: no file system is asked.
    struct statx facts;
    if (::statx(file.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &facts) != 0 ||
        !S_ISREG(facts.stx_mode)) {
        return "the answer's file is not a regular file";
    }
    if (range.length == 0 || range.length > facts.stx_size || range.offset > facts.stx_size - range.length) {
        return "the answer's file has fewer bytes than the application says";
    }
    if (!readsAtOnce(file.get())) {
        return "the answer's file is on a file system whose files are not taken";
    }
    return nullptr;
}

std::optional<std::size_t> AnswerFile::read(std::span<char> buffer) noexcept {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range_.length));
    if (FileBytes::read(file_.get(), range_.offset, buffer.first(size)) != 0) {
        return std::nullopt;
    }
    range_.offset += size;
    range_.length -= size;
    return size;
}

}  // namespace Passenger
