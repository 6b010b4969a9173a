# frozen_string_literal: true

require "tmpdir"

# Programs and modules of C that need the system library libnosuch.so.1, which is not there.
module MissingLibrary
  THERE = system("cc --version >/dev/null 2>&1")

  # `module_of`: a shared object, which an interpreter loads; false: a program.
  def self.write(path, module_of: true)
    Dir.mktmpdir do |folder|
      library = File.join(folder, "libnosuch.so.1")
      source = File.join(folder, "source.c")
      File.write(source, "int nosuch(void);\nint main(void) { return nosuch(); }\n")
      made = File.join(folder, "nosuch.c")
      File.write(made, "int nosuch(void) { return 0; }\n")
      compile("-shared", "-fPIC", "-Wl,-soname,libnosuch.so.1", "-o", library, made)
      compile(*(module_of ? %w[-shared -fPIC] : []), "-o", path, source, library)
    end
  end

  def self.compile(*arguments)
    system("cc", *arguments, exception: true)
  end
end
