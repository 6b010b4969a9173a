#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "apache2/request/SpoolCharge.h"
#include "base/DescriptorSender.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A file without a name, for bytes that do not fit into memory. The file disappears with its
 * descriptor, however the process ends. Its bytes count in the quota of its application.
 *
 * One thread at a time; another one may destroy it.
 */
class SpoolFile {
public:
    /** @param charge counts the file; its quota's folder gets the file @throws SystemException */
    explicit SpoolFile(SpoolCharge charge);
    SpoolFile(SpoolFile &&) noexcept = default;
    SpoolFile &operator=(SpoolFile &&) = delete;
    /** Empties a file that was given to an application, since an instance may keep its descriptor.
     *  An instance can also hold the file's lock in the kernel. So the DescriptorCloser in use
     *  empties and closes the file, and this thread does not wait. */
    ~SpoolFile();

    /** @param position at most the end of the file, so that the file has no holes
     *  @throws SpoolQuotaExceeded, SystemException (only the bytes of earlier calls are certain to
     *      be in the file then) */
    void write(std::uint64_t position, std::string_view bytes);
    /** Fills `bytes` with bytes that were written before. @throws SystemException */
    void read(std::uint64_t position, std::span<char> bytes) const;

    /** A second descriptor of the file, at its start and for reading only. It may be given to
     *  another process, of which given() tells. Nothing: it cannot be opened (/proc is missing). */
    FileDescriptor reopen() const noexcept;
    void given(DescriptorSender application) noexcept { application_ = application; }
    int descriptor() const noexcept { return file_.get(); }

private:
    const std::string &folder() const noexcept { return charge_.quota().folder(); }

    SpoolCharge charge_;
    FileDescriptor file_;
    /** Zero: no instance has the file. */
    DescriptorSender application_;
};

}  // namespace Passenger
