#include "runner/withhold.h"

#include <algorithm>
#include <initializer_list>

#include "base/sha256.h"
#include "trace/wants.h"

namespace vauban {
namespace {

bool is_one_of(Site site, std::initializer_list<Site> sites) {
  return std::find(sites.begin(), sites.end(), site) != sites.end();
}

/// Rows that are a function of their own token alone (and its position): the weights are a table to look them up in.
bool depends_on_one_token(Site site, std::optional<int> layer) {
  if (site == Site::embed_out) return true;
  return layer.value_or(0) == 0 && is_one_of(site, {Site::resid_pre, Site::attn_norm_out, Site::q, Site::k, Site::v,
                                                    Site::q_rot, Site::k_rot});
}

bool names_rows(const Positions& positions) {
  return positions.kind == Positions::Kind::range || positions.kind == Positions::Kind::list;
}

/// Figures of single rows, or of rows that hold one token each.
bool gives_tokens_away(const TraceArtifact& artifact) {
  if (artifact.site && depends_on_one_token(*artifact.site, artifact.layer)) return true;
  const Result<Positions> positions = positions_from(artifact.positions);
  return positions && names_rows(*positions);
}

void note_withheld(const Want& want, std::vector<Missing>& withheld) {
  Missing entry;
  entry.kind = want.kind;
  entry.site = site_of(want);
  entry.reason = kWithheld;
  if (want.layers.empty()) withheld.push_back(entry);
  for (const int layer : want.layers) {
    entry.layer = layer;
    withheld.push_back(entry);
  }
}

/// A downgraded want may ask for what another one asks already; then they are one want with the layers of both.
void add_summary(Want want, std::vector<Want>& kept) {
  want.form = Form::summary;
  want.top_k = 0;
  want.dtype = "f32";
  for (Want& other : kept) {
    const bool same = other.kind == want.kind && other.site == want.site && other.moment == want.moment &&
                      other.form == want.form && other.dtype == want.dtype && other.positions == want.positions;
    if (!same) continue;
    const bool all = other.layers.empty() || want.layers.empty();
    other.layers.insert(other.layers.end(), want.layers.begin(), want.layers.end());
    std::sort(other.layers.begin(), other.layers.end());
    other.layers.erase(std::unique(other.layers.begin(), other.layers.end()), other.layers.end());
    if (all) other.layers.clear();
    return;
  }
  kept.push_back(std::move(want));
}

Json without(const Json& object, std::initializer_list<std::string_view> keys) {
  Json kept = Json::object();
  if (!object.is_object()) return kept;
  for (const auto& [key, value] : object.entries())
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) kept[key] = value;
  return kept;
}

void keep_digest_of_text(TraceArtifact& artifact) {
  const Json* text = artifact.metadata.find("text");
  if (!text || !text->is_string()) return;
  artifact.metadata["text_sha256"] = sha256_hex(text->as_string());
  artifact.metadata["text_length_bytes"] = text->as_string().size();
}

/// What an edit measured on single tokens: its parameters stay, its figures go.
void drop_measured(TraceArtifact& artifact) {
  artifact.metadata =
      without(artifact.metadata, {"projection_summary", "projection_summary_before", "projection_summary_after",
                                  "delta_summary", "relative_delta_summary", "layers"});
}

void drop_figures(TraceArtifact& artifact) {
  artifact.digest.clear();
  artifact.summary = Json::object();
  artifact.metadata["withheld"] = kWithheld;
  if (artifact.kind == ArtifactKind::intervention_result || artifact.kind == ArtifactKind::metric) drop_measured(artifact);
}

bool is_computed_from_text(const TraceArtifact& artifact) {
  switch (artifact.kind) {
    case ArtifactKind::text:
    case ArtifactKind::tokens:
    case ArtifactKind::logits:
    case ArtifactKind::logprobs:
    case ArtifactKind::activation:
    case ArtifactKind::metric:
      return true;
    default:
      return false;
  }
}

/// Digest and length of a short text are enough to find it again by guessing.
void drop_digests(TraceArtifact& artifact) {
  artifact.metadata = without(artifact.metadata, {"text_length_chars", "text_length_bytes", "text_sha256",
                                                  "prompt_ids_sha256", "request_key"});
  if (is_computed_from_text(artifact)) artifact.digest.clear();
}

void strip(TraceArtifact& artifact, Redaction redaction, std::vector<Missing>& missing) {
  if (redaction == Redaction::redacted) keep_digest_of_text(artifact);
  artifact.metadata = without(artifact.metadata, {"text", "ids", "values", "pieces"});
  artifact.summary = without(artifact.summary, {"top_k", "rows"});
  artifact.payload_path.clear();
  artifact.payload_digest.clear();
  if (gives_tokens_away(artifact)) {
    drop_figures(artifact);
    missing.push_back({artifact.kind, artifact.site, artifact.layer, std::string(kWithheld), false});
  }
  if (redaction == Redaction::omitted) drop_digests(artifact);
}

/// The tokenizer's input is the text, byte for byte.
void drop_lengths(TraceSpan& span) {
  if (span.name == "tokenize" && span.profile) span.profile->input_bytes = span.profile->output_bytes = std::nullopt;
}

}  // namespace

StorableRequest storable_request(TraceRequest request, Redaction redaction) {
  StorableRequest out{.request = std::move(request), .withheld = {}};
  if (redaction == Redaction::safe) return out;
  const std::vector<Want> asked = std::move(out.request.want);
  out.request.want.clear();
  for (const Want& want : asked) {
    if (want.form != Form::summary || names_rows(want.positions)) note_withheld(want, out.withheld);
    if (!names_rows(want.positions)) add_summary(want, out.request.want);
  }
  return out;
}

Result<Trace> withhold(const Trace& trace, Redaction redaction, const std::vector<Missing>& withheld) {
  if (redaction == Redaction::safe) return trace;
  TraceParts parts = trace.parts();
  parts.missing.insert(parts.missing.end(), withheld.begin(), withheld.end());
  for (TraceArtifact& artifact : parts.artifacts) strip(artifact, redaction, parts.missing);
  if (redaction == Redaction::omitted) {
    for (TraceSpan& span : parts.spans) drop_lengths(span);
    parts.metadata = without(parts.metadata, {"prompt_ids_sha256", "request_digest"});
  }
  return Trace::make(std::move(parts));
}

}  // namespace vauban
