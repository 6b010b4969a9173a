#pragma once

#include <cstddef>
#include <string>

#include <tl/expected.hpp>

namespace Passenger {

/**
 * What can be read of a file, the first `most` bytes at most; empty if it cannot be opened. Also
 * for files of /proc, where read() fails once the process has ended: a stream that is read by
 * iterators throws then. Any process may give its own `environ` and `cmdline` any length there
 * (PR_SET_MM), at no cost.
 */
std::string fileContent(const std::string &path, std::size_t most = 16 * 1024 * 1024);

/**
 * The content of a regular file that somebody else may exchange meanwhile: a FIFO or a device does
 * not make the caller wait. Empty if it is no regular file or has more than `most` bytes.
 */
std::string regularFileContent(const std::string &path, std::size_t most);

/**
 * The same, of a file in a folder whose owner may not choose among the files that the caller can
 * read: a link in the file's own place counts only if it leads to a file of the folder's owner, or
 * if root owns the folder. Or the reason why there is none, for people.
 */
tl::expected<std::string, std::string> ownersFileContent(const std::string &path, std::size_t most);

}  // namespace Passenger
