//! `--plot FILE`: the plots under each other as one picture, or a page with the tables too.

use std::fmt::Write;
use std::path::Path;

use plotters::prelude::*;

use super::chart::{Chart, WIDTH};
use super::{Report, Table};

/// Height of the two lines above the plots, in pixels.
const HEADING: u32 = 56;

/// Writes the file.
pub(super) fn write(path: &Path, report: &Report) -> Result<(), String> {
    let picture = picture(report).map_err(|error| format!("can't draw the plots: {error}"))?;
    let page = path
        .extension()
        .is_some_and(|extension| extension == "html");
    let text = if page {
        html(report, &picture)
    } else {
        picture
    };
    std::fs::write(path, text).map_err(|error| format!("can't write {}: {error}", path.display()))
}

fn picture(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let charts: Vec<&Chart> = report
        .charts
        .iter()
        .filter(|chart| !chart.is_empty())
        .collect();
    let height = HEADING + charts.iter().map(|chart| chart.height()).sum::<u32>();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let style = |size: f64| ("sans-serif", size).into_font();
        area.draw(&Text::new(report.heading(), (16, 12), style(17.0)))?;
        area.draw(&Text::new(report.machine.line(), (16, 36), style(12.0)))?;
        let (_, mut rest) = area.split_vertically(HEADING);
        for chart in charts {
            let (upper, lower) = rest.split_vertically(chart.height());
            chart.draw(&upper)?;
            rest = lower;
        }
        area.present()?;
    }
    Ok(svg)
}

fn html(report: &Report, picture: &str) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n\
         <style>body{{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;color:#222b38}}\
         table{{border-collapse:collapse;margin:0 0 1.5rem}}caption{{text-align:left;font-weight:bold;padding:.3rem 0}}\
         td,th{{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #dde2e8}}\
         svg{{max-width:100%;height:auto}}</style>\n<h1>{0}</h1>\n<p>{1}</p>\n",
        escaped(&report.heading()),
        escaped(&report.machine.line()),
    );
    for failure in &report.failures {
        // Writing to a String does not fail.
        let _ = writeln!(page, "<p><b>Failed: {}</b></p>", escaped(failure));
    }
    for table in report.tables.iter().filter(|table| !table.rows.is_empty()) {
        table_rows(&mut page, table);
    }
    for note in &report.notes {
        let _ = writeln!(page, "<p>Note: {}</p>", escaped(note));
    }
    page.push_str(picture);
    page.push_str("</html>\n");
    page
}

fn table_rows(page: &mut String, table: &Table) {
    let _ = writeln!(page, "<table><caption>{}</caption>", escaped(&table.title));
    let mut row = |cells: &[String], tag: &str| {
        page.push_str("<tr>");
        for cell in cells {
            let _ = write!(page, "<{tag}>{}</{tag}>", escaped(cell));
        }
        page.push_str("</tr>\n");
    };
    row(&table.columns, "th");
    for cells in &table.rows {
        row(cells, "td");
    }
    page.push_str("</table>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::{Bar, Series};
    use super::*;
    use crate::bench::stats::Spread;
    use crate::bench::units::Unit;

    #[test]
    fn names_and_figures_are_in_the_picture_and_on_the_page() {
        let mut report = Report::new("os", serde_json::Value::Null);
        let spread = Spread::of([90.0, 100.0, 130.0]);
        report.charts.push(Chart::Bars {
            title: "Calls & switches".into(),
            unit: Unit::Nanoseconds,
            log: true,
            bars: vec![Bar {
                name: "system call".into(),
                spread: spread.unwrap(),
                group: 0,
            }],
        });
        report.charts.push(Chart::Lines {
            title: "Speed-up".into(),
            x: ("workers".into(), Unit::Number, false),
            y: ("times".into(), Unit::Number, false),
            series: vec![Series {
                name: "threads".into(),
                points: vec![(1.0, 1.0), (2.0, 1.9)],
                model: false,
            }],
        });
        let svg = picture(&report).unwrap();
        for word in ["Calls &amp; switches", "system call", "100 ns", "threads"] {
            assert!(svg.contains(word), "{word} is not in {svg}");
        }
        let mut table = Table::new("A < B", &["what", "median"]);
        table.row(["system call", "100 ns"]);
        report.tables.push(table);
        let page = html(&report, &svg);
        assert!(page.contains("A &lt; B") && page.contains("<td>100 ns</td>"));
        assert!(page.contains("<svg"));
    }

    #[test]
    fn nothing_measured_is_a_picture_all_the_same() {
        let report = Report::new("os", serde_json::Value::Null);
        assert!(picture(&report).unwrap().contains("bench os"));
    }
}
