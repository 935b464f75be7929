#include "backends/module_file.h"

#ifdef __ELF__
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#endif

namespace vauban {

#ifndef __ELF__
Result<void> check_module_file(const std::filesystem::path&) { return ok(); }
#else
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Dynamic = ElfW(Dyn);
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

struct Elf {
  Bytes bytes;
  std::vector<Segment> segments;
};

Result<Elf> read_elf(Bytes file) {
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
  return Elf{file, segments};
}

/// Libraries that a file asks for, and the folders that it says they are in.
struct Needs {
  std::vector<std::string> names, folders;
};

/// From the dynamic section (gABI, chapter 5); what does not fit there is left to the loader.
Result<Needs> needs_of(const Elf& elf) {
  const auto found = std::ranges::find(elf.segments, ElfW(Word){PT_DYNAMIC}, &Segment::p_type);
  if (found == elf.segments.end()) return Needs{};
  VB_TRY(const std::vector<Dynamic> entries, table<Dynamic>(elf.bytes, found->p_offset, found->p_filesz / sizeof(Dynamic),
                                                            sizeof(Dynamic), "its dynamic section"));
  std::string_view strings;
  for (const Dynamic& entry : entries)
    for (const Segment& segment : elf.segments)
      if (entry.d_tag == DT_STRTAB && segment.p_type == PT_LOAD && entry.d_un.d_ptr >= segment.p_vaddr &&
          entry.d_un.d_ptr - segment.p_vaddr < segment.p_filesz) {
        const std::uint64_t into = entry.d_un.d_ptr - segment.p_vaddr;
        strings = {reinterpret_cast<const char*>(elf.bytes.data()) + segment.p_offset + into,
                   static_cast<std::size_t>(segment.p_filesz - into)};
      }
  const auto text = [&](std::uint64_t at) {
    const std::string_view rest = at < strings.size() ? strings.substr(at) : std::string_view();
    return rest.substr(0, rest.find('\0'));
  };
  Needs needs;
  for (const Dynamic& entry : entries) {
    if (entry.d_tag == DT_NEEDED) needs.names.emplace_back(text(entry.d_un.d_val));
    if (entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH) continue;
    for (const std::string_view folder : split(text(entry.d_un.d_val), ':')) needs.folders.emplace_back(folder);
  }
  return needs;
}

/// The first folder that has it is the one.
Result<void> check_library(const std::string& name, const std::vector<std::string>& folders,
                           const std::filesystem::path& origin) {
  constexpr std::string_view kOrigin = "$ORIGIN";
  for (const std::string& folder : folders) {
    const bool beside = folder.starts_with(kOrigin);
    const std::filesystem::path path =
        (beside ? std::filesystem::path(origin.string() + folder.substr(kOrigin.size())) : std::filesystem::path(folder)) / name;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    VB_TRY(const auto file, MappedFile::open(path));
    auto whole = read_elf(file->bytes());
    if (whole) return ok();
    Error error = std::move(whole).error();
    error.message = format("its library {}: {}", path.string(), error.message);
    return with_hint(std::move(error), "install that LibTorch again (docs/torch.md); '--backend cpu' needs none");
  }
  return ok();
}

}  // namespace

Result<void> check_module_file(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(const Elf elf, read_elf(file->bytes()));
  VB_TRY(const Needs needs, needs_of(elf));
  for (const std::string& name : needs.names) VB_CHECK(check_library(name, needs.folders, path.parent_path()));
  return ok();
}
#endif

}  // namespace vauban
