#include "backends/module_file.h"

#ifdef __ELF__
#include <elf.h>
#include <link.h>

#include <cstring>
#include <span>
#include <vector>

#include "base/files.h"
#endif

namespace vauban {

#ifndef __ELF__
Result<void> check_module_file(const std::filesystem::path&) { return ok(); }
#else
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Bytes = std::span<const std::byte>;

constexpr unsigned char kWordClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#else
constexpr unsigned kMachine = EM_NONE;  // not known here: the loader says what does not fit
#endif

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "arm64";
    case EM_386: return "x86 (32 bits)";
    case EM_ARM: return "arm (32 bits)";
    case EM_RISCV: return "riscv";
    case EM_PPC64: return "ppc64";
    default: return format("ELF machine {}", machine);
  }
}

Error cut(std::string_view what, std::uint64_t end, std::size_t size) {
  return corrupt("the file was cut short: {} ends at byte {}, the file at byte {}", what, end, size);
}

/// `count` entries of T at `offset`, as the tables of an ELF file stand there.
template <class T>
Result<std::vector<T>> table(Bytes file, std::uint64_t offset, std::uint64_t count, std::uint64_t entry_bytes,
                             std::string_view what) {
  if (count == 0) return std::vector<T>();
  if (entry_bytes != sizeof(T)) return corrupt("an entry of {} takes {} bytes, expected {}", what, entry_bytes, sizeof(T));
  if (offset > file.size() || count * sizeof(T) > file.size() - offset)
    return cut(what, offset + count * sizeof(T), file.size());
  std::vector<T> entries(count);
  std::memcpy(entries.data(), file.data() + offset, count * sizeof(T));
  return entries;
}

Result<void> check_kind(const Header& header) {
  if (header.e_ident[EI_CLASS] != kWordClass)
    return unsupported("it is built for {} bits, this program for {}", header.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32,
                       8 * sizeof(void*));
  const std::uint16_t one = 1;
  unsigned char first = 0;
  std::memcpy(&first, &one, 1);
  if (header.e_ident[EI_DATA] != (first == 1 ? ELFDATA2LSB : ELFDATA2MSB))
    return unsupported("it is built for the other byte order");
  if (kMachine != EM_NONE && header.e_machine != kMachine)
    return unsupported("it is built for {}, this program for {}", machine_name(header.e_machine), machine_name(kMachine));
  if (header.e_type != ET_DYN) return unsupported("it is an ELF file, but no shared object");
  return ok();
}

Result<void> check_extent(Bytes file, std::uint64_t offset, std::uint64_t size, std::string_view what) {
  if (offset <= file.size() && size <= file.size() - offset) return ok();
  return cut(what, offset + size, file.size());
}

Result<void> check_elf(Bytes file) {
  if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
    return unsupported("it is no shared object (ELF) but something else");
  if (file.size() < sizeof(Header)) return cut("its header", sizeof(Header), file.size());
  Header header{};
  std::memcpy(&header, file.data(), sizeof(header));
  VB_CHECK(check_kind(header));
  VB_TRY(const std::vector<Segment> segments,
         table<Segment>(file, header.e_phoff, header.e_phnum, header.e_phentsize, "its table of segments"));
  if (segments.empty()) return corrupt("it has no segment to load");
  for (const Segment& segment : segments) VB_CHECK(check_extent(file, segment.p_offset, segment.p_filesz, "a segment"));
  VB_TRY(const std::vector<Section> sections,
         table<Section>(file, header.e_shoff, header.e_shnum, header.e_shentsize, "its table of sections"));
  for (const Section& section : sections)
    if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL)
      VB_CHECK(check_extent(file, section.sh_offset, section.sh_size, "a section"));
  return ok();
}

}  // namespace

Result<void> check_module_file(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  return check_elf(file->bytes());
}
#endif

}  // namespace vauban
