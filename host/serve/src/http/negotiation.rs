//! Choice of a text format by the header `Accept`.

use crate::metrics::Format;

/// Returns the format that a client prefers; text 0.0.4 without a preference.
pub(super) fn format(accept: Option<&str>) -> Format {
    let mut best = (0.0, Format::Text);
    for range in accept.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let format = match media {
            "application/openmetrics-text" => Format::OpenMetrics,
            "text/plain" | "text/*" | "*/*" => Format::Text,
            _ => continue,
        };
        let (mut quality, mut is_ours) = (1.0, true);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => quality = value.trim().parse::<f32>().unwrap_or(0.0),
                "version" if format == Format::OpenMetrics => is_ours = matches!(value.trim(), "1.0.0" | "0.0.1"),
                _ => {}
            }
        }
        if is_ours && quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_the_highest_quality_is_chosen() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, chosen) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html,*/*;q=0.8"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (Some("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.2"), Format::Text),
            (Some("application/openmetrics-text;version=2.0.0,text/plain;q=0.1"), Format::Text),
        ] {
            assert_eq!(format(accept), chosen, "{accept:?}");
        }
    }
}
